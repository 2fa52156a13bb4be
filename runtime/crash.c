/* Crash points at work: only in a build with EC_CRASH_POINTS.
 *
 * EC_CRASH_DIR names a folder with `armed`, `fired` and `passed`. At a point the process renames armed/<point> to fired/<point>.<pid>:
 * whoever succeeds kills itself at once, with nothing flushed or closed. A rename succeeds once, so a point that is armed fires once
 * whatever number of processes pass it, and its trace is there when the process is not. Each passing leaves passed/<point>, from which a
 * test knows what the system really goes through. A point's file is its name with `|` for `/`.
 */
#include "crash.h"

#ifdef EC_CRASH_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app.h"

enum { NAME = 300, PATH = 1200 };

static void leave_trace(const char *folder, const char *point)
{
    char path[PATH];
    int file;

    snprintf(path, sizeof(path), "%s/passed/%s", folder, point);
    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (file >= 0)
        close(file);
}

void ec_crash_point(const char *when, const char *format, ...)
{
    static const char *folder;
    static bool asked;
    char what[NAME], point[NAME + 100], armed[PATH], fired[PATH], *p;
    va_list args;

    if (!asked) {
        asked = true;
        folder = getenv("EC_CRASH_DIR");
    }
    if (!folder || !*folder)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(point, sizeof(point), "%s:%s:%s", ec_app.service ? ec_app.service->name : "", what, when);
    for (p = point; *p; p++)
        if (*p == '/')
            *p = '|';
    leave_trace(folder, point);
    snprintf(armed, sizeof(armed), "%s/armed/%s", folder, point);
    snprintf(fired, sizeof(fired), "%s/fired/%s.%ld", folder, point, (long)getpid());
    if (rename(armed, fired) == 0)
        kill(getpid(), SIGKILL);
}

const char *ec_crash_program(const struct ec_program *program)
{
    size_t n = ec_app.service ? strlen(ec_app.service->name) : 0;

    return n && strncmp(program->name, ec_app.service->name, n) == 0 && program->name[n] ? program->name + n + 1 : program->name;
}

#else

typedef int ec_crash_points_are_off; /* a file of C is not empty */

#endif
