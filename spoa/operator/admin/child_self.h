/* A child's own side: what it does before anything else. It is told by the name it is started
 * under, "tollgate-child PARENT CPU-SECONDS": nobody gains by using that name, since all it
 * does is to take rights away. */
#ifndef OPERATOR_ADMIN_CHILD_SELF_H
#define OPERATOR_ADMIN_CHILD_SELF_H

#include <stdbool.h>
#include <sys/types.h>

#define CHILD_NAME "tollgate-child"

void child_name(char *out, size_t size, pid_t parent, unsigned cpu_s);
/* It ends with its parent, is the first to go where memory runs out, yields the processor, and
 * has limits: CAP_CHILD_DATA of heap and stacks (files that are mapped, such as a journal, are
 * not counted), CAP_CHILD_OUT of what it says, processor time. True too where `name` is not
 * that of a child. False after a message: it may not go on. */
bool child_confine(const char *name);

#endif
