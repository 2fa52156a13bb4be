/* Crash points: places where a build for tests can be made to end, as by a power cut (docs/design.md, Crash points).
 *
 * Without EC_CRASH_POINTS (meson's -Dcrash_points=true) they are nothing. With it a point is named `<service>:<what>:before` or `:after`;
 * the names are those of `ecomc build --crash-points`.
 */
#ifndef EC_CRASH_H
#define EC_CRASH_H

struct ec_program;

#ifdef EC_CRASH_POINTS
/* format: what, printf-like. */
#define EC_CRASH_BEFORE(...) ec_crash_point("before", __VA_ARGS__)
#define EC_CRASH_AFTER(...) ec_crash_point("after", __VA_ARGS__)
#else
#define EC_CRASH_BEFORE(...) ((void)0)
#define EC_CRASH_AFTER(...) ((void)0)
#endif

void ec_crash_point(const char *when, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *ec_crash_program(const struct ec_program *program); /* its name without the service's */

#endif
