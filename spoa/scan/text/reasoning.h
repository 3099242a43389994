/* Reasoning that the provider signed, in a body of messages: which objects are such
 * blocks, and which turn of the model each belongs to. A turn is the model's messages and
 * the answers to its tool calls between; it ends where somebody says something else.
 * Private to text/: body_json.c tells it what it walks over. */
#ifndef SCAN_TEXT_REASONING_H
#define SCAN_TEXT_REASONING_H

#include "scan/text/table.h"

struct reasoning {
	struct signed_block *v;
	size_t n, room;
	uint32_t turn;
	bool calls; /* the model's last message in it calls tools */
};

/* What is known of an object or list while it is walked. */
struct reasoning_frame {
	const struct seal_row *signs; /* it is a signed block */
	bool list;		      /* of messages */
	bool message, inside;	      /* it is a message; inside of one */
	bool called, answered;	      /* a tool, in it */
	struct span role;	      /* of a message */
};

/* An element or member of `around`, which is the member `name` where it is a list. */
struct reasoning_frame reasoning_open(const struct reasoning_frame *around, bool object,
	bool around_is_list, struct span name);
/* Its next key; a string that it holds. */
void reasoning_key(struct reasoning_frame *f, struct span key);
void reasoning_string(struct reasoning_frame *f, struct span name, struct span text);
/* It ends; `block` is where it is, in case it is one. 0, or ERR_NOMEM. */
int reasoning_end(struct reasoning *r, struct reasoning_frame *f,
	struct reasoning_frame *around, const struct signed_block *block, struct arena *a);

#endif
