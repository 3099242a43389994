/* The accounts of work of each thread. Most code only adds units (effort_add). When they reach
 * `ask`, effort_ask() checks the limit and asks whether anybody still waits. */
#include "base/effort.h"

#include "base/err.h"

enum { ASK_EACH = 1 << 19 }; /* units between two checks: less than a millisecond */

_Thread_local struct effort effort = { .ask = UINT64_MAX };

bool
effort_open(uint64_t most)
{
	if (effort.most)
		return false;
	effort.done = effort.ask = 0;
	effort.most = most;
	effort.over = effort.gone = false;
	return true;
}

uint64_t
effort_close(void)
{
	effort.most = 0;
	effort.ask = UINT64_MAX;
	return effort.done;
}

void
effort_watch(effort_gone_fn *is_gone, const void *arg)
{
	effort.is_gone = is_gone;
	effort.arg = arg;
}

bool
effort_ask(void)
{
	effort.over |= effort.done >= effort.most;
	effort.gone |= effort.is_gone && effort.is_gone(effort.arg);
	if (effort.over || effort.gone)
		return true;
	effort.ask =
		effort.most - effort.done < ASK_EACH ? effort.most : effort.done + ASK_EACH;
	return false;
}

int
effort_err(void)
{
	return effort.gone ? ERR_CLOSED : ERR_LIMIT;
}
