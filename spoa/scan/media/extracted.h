/* What tollgate-extract answers about a file (spoa/extract/extract.h). */
#ifndef SCAN_MEDIA_EXTRACTED_H
#define SCAN_MEDIA_EXTRACTED_H

#include "base/arena.h"

/* A text of a file, and its page; 0: of none. */
struct extracted_text {
	unsigned page;
	struct span text;
};

struct extracted {
	unsigned pages;
	bool ocr; /* pictures were read */
	struct extracted_text *texts;
	size_t ntexts;
	const char *why; /* the first thing that nobody read, a fixed word; NULL: nothing */
	unsigned why_page;
};

/* Texts are views of the answer or in the arena. 0; ERR_SYNTAX: it is no answer, ERR_NOMEM. */
int extracted_read(struct span answer, struct arena *a, struct extracted *out);

#endif
