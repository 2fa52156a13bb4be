#!/usr/bin/env python3
"""Runs the system tests: all of them, or the ones named."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import runner  # noqa: E402

runner.main(HERE)
