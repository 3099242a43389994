/* The first step of a child process of the daemon: the child limits itself. It learns
 * that it is a child from its name, "tollgate-child PARENT CPU-SECONDS". Another process gains
 * nothing by using this name, because it only takes rights away. */
#ifndef OPERATOR_ADMIN_CHILD_SELF_H
#define OPERATOR_ADMIN_CHILD_SELF_H

#include <stdbool.h>
#include <sys/types.h>

#define CHILD_NAME "tollgate-child"

/* Writes the name for a child of this parent with this CPU limit. */
void child_name(char *out, size_t size, pid_t parent, unsigned cpu_s);
/* Applies the limits if `name` is that of a child; returns true for other names. The process
 * then ends with its parent, is preferred by the out-of-memory killer, has low priority, and is
 * limited in heap and stacks (CAP_CHILD_DATA; mapped files are not counted), output
 * (CAP_CHILD_OUT) and CPU time. Returns false after a message if the process must not continue.
 */
bool child_confine(const char *name);

#endif
