/* The texts of errors for logs (err_str()), and the end of the process after a broken
 * invariant: invariant_failed() writes one line and aborts. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

const char *
err_str(int err)
{
	switch (err) {
#define X(name, value, text) \
	case value: return text;
		ERR_TABLE(X)
#undef X
	default: return err < 0 ? "unknown error" : "success";
	}
}

void (*invariant_hook)(const char *line);

void
invariant_failed(const char *expr, const char *file, int line)
{
	char thread[16] = "", text[512];

	prctl(PR_GET_NAME, thread, 0, 0, 0);
	int n = snprintf(text, sizeof(text) - 1, "tollgate: invariant broken: %s at %s:%d, thread %.15s",
		expr, file, line, thread);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) - 1 ? (size_t)n : sizeof(text) - 2;
	if (invariant_hook)
		invariant_hook(text);
	text[len] = '\n';
	while (write(STDERR_FILENO, text, len + 1) < 0 && errno == EINTR)
		;
	abort();
}
