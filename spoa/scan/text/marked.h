/* Text that a client, such as a coding agent, puts into a person's message and marks as the content
 * of a file or as the output of a command: CLAUDE.md, AGENTS.md, a file that the person names with
 * @. The person did not type it. Any thread. */
#ifndef SCAN_TEXT_MARKED_H
#define SCAN_TEXT_MARKED_H

#include "scan/text/body.h"

/* The place where the last question was answered, so that questions in ascending order read each
 * text once. Zeroed at first. */
struct marked {
	const struct segment *s; /* with its text, since another body may have the address */
	struct span text;
	enum seg_role part; /* role of the whole segment, by the segments around it */
	size_t start, end;  /* the last block that was read; `end` SIZE_MAX: none follows */
	enum seg_role role; /* role of the text in this block */
};

/* Returns the bits of the roles (as segment_roles()) of the bytes from `start` to `end` of the
 * segment's text, which may be one of b->segments. In a block that a client marked, user text has
 * the role that the mark states. Bytes that are only partly in a block are user text. */
uint16_t marked_roles(const struct body *b, const struct segment *s, size_t start, size_t end,
	struct marked *last);

#endif
