/* X(name, summary): every command, in the order of the help. */
X(check, "report every diagnostic of a topology, write nothing")
X(build, "write the generated folder; --check only says whether it would change")
X(up, "build and start the whole system, and keep it running")
X(down, "stop what `up` started")
X(status, "what is running, and whether it is ready")
X(migrate, "apply, revert or list the migrations of one service")
X(doctor, "what this machine has and what is missing")
X(version, "the version of ecomc")
