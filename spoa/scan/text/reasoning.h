/* Finds signed blocks of reasoning in a body of messages, and the turn of the model that each
 * block belongs to. A turn consists of the model's messages and the results of its tool calls
 * between them. A user's message that is no tool result ends the turn. Private to text/:
 * body_json.c calls these functions while it walks the document. */
#ifndef SCAN_TEXT_REASONING_H
#define SCAN_TEXT_REASONING_H

#include "scan/text/table.h"

/* The blocks found so far, in the request's arena. */
struct reasoning {
	struct signed_block *v;
	size_t n, room;
	/* number of the current turn */
	uint32_t turn;
	bool calls; /* the model's last message in the turn calls tools */
};

/* The facts known about an object or list while the walk is inside it. */
struct reasoning_frame {
	const struct seal_row *signs; /* not NULL: the object is a signed block */
	bool list;		      /* a list of messages */
	bool message, inside;	      /* the object is a message; the object is inside a message */
	bool called, answered;	      /* the object contains a tool call; a tool result */
	struct span role;	      /* the message's role; p NULL: none yet */
};

/* Returns the state for an object or list that opens inside `around`. `name` is the key of the
 * object or list, or the key of the list around it. */
struct reasoning_frame reasoning_open(const struct reasoning_frame *around, bool object,
	bool around_is_list, struct span name);
/* Records a key of the object, and a string member of it. */
void reasoning_key(struct reasoning_frame *f, struct span key);
void reasoning_string(struct reasoning_frame *f, struct span name, struct span text);
/* Ends an object or list. `block` is its place, stored if it is a signed block. Returns 0 or
 * ERR_NOMEM. */
int reasoning_end(struct reasoning *r, struct reasoning_frame *f,
	struct reasoning_frame *around, const struct signed_block *block, struct arena *a);

#endif
