/* Writes the reason of an error as a sentence (base/why.h). */
#include "base/why.h"

int
why_err(struct buf *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(why, fmt, ap);
	va_end(ap);
	return err;
}
