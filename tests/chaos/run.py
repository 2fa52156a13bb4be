#!/usr/bin/env python3
"""Runs the chaos tests: all of them, or the ones named. They stand on what the system tests share. With EC_LONG=1 they
run at full size."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]
import runner  # noqa: E402

runner.main(HERE)
