/* A vocabulary of single bytes: the ids of a text are its bytes. */
#ifndef SUPPORT_BYTE_RANKS_H
#define SUPPORT_BYTE_RANKS_H

#include "base/err.h"
#include "base/tokens/ranks.h"

static inline struct ranks *
byte_ranks(void)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct ranks *r = NULL;
	struct buf lines, file;
	const char *why;
	size_t line;

	buf_init(&lines, 0);
	buf_init(&file, 0);
	for (unsigned i = 0; i < 256; i++)
		buf_printf(&lines, "%c%c== %u\n", letters[i >> 2], letters[(i & 3) << 4], i);
	INVARIANT(ranks_pack(buf_view(&lines), "bytes", split_find(SPAN_LIT("o200k")), &file,
			  &line, &why) == 0);
	INVARIANT(ranks_over(buf_view(&file), &r, &why) == 0);
	buf_free(&lines);
	buf_free(&file);
	return r;
}

#endif
