/* The shipped files by name, and the pieces of the stanza. */
#include "edge/shipped.h"

struct span
shipped(const char *name)
{
	for (size_t i = 0; i < shipped_files_count; i++)
		if (!strcmp(shipped_files[i].name, name))
			return span_of(shipped_files[i].text, shipped_files[i].n);
	return span_of(NULL, 0);
}

struct span
shipped_piece(enum shipped_piece piece)
{
	struct span mark = SPAN_LIT("#---"), rest = shipped("haproxy/bolt-on.cfg");
	const char *from = NULL;
	int n = -1;

	while (rest.p) {
		struct span line = span_next(&rest, '\n');
		if (!span_starts(line, mark))
			continue;
		if (from)
			return span_of(from, (size_t)(line.p - from));
		if (++n == (int)piece)
			from = rest.p;
	}
	return span_of(NULL, 0);
}
