/* Several processes for one service: each has its own loop and shares the listeners' ports with the others (SO_REUSEPORT). */
#ifndef EC_WORKERS_H
#define EC_WORKERS_H

/* Forks n children that each run `work` and exit with its result; watches them until they have ended. start_failed is the code of a child
 * that could not start: then all end with it. Returns the exit code. */
int ec_workers_run(int n, int (*work)(void), int start_failed);

#endif
