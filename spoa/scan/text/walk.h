/* The walk over a JSON body, shared by three files: body_json.c descends the document, values.c
 * reads the values that a dialect knows, and parts.c decides which parts cannot be inspected.
 * Private to text/. */
#ifndef SCAN_TEXT_WALK_H
#define SCAN_TEXT_WALK_H

#include "base/codec/json.h"
#include "scan/text/model_names.h"
#include "scan/text/reasoning.h"
#include "scan/text/table.h"

enum {
	WALK_FRACTIONS = 16, /* numbers with long fractions that make a body one of measurements */
	/* initial room of arrays */
	WALK_FEW = 16,
	WALK_SEALS = 2, /* sealed strings per object */
};

/* One object or list that the walk is inside of. The array is in the request's arena; its depth
 * is limited by CAP_JSON_DEPTH. */
struct frame {
	const struct node *node; /* NULL: the dialect knows nothing below */
	const struct row *row;	 /* the row of this object or list itself; NULL: none */
	enum seg_role deep;	 /* role of strings that no row gives a role */
	/* an object, not a list; a message; a content part */
	bool object, message, part;
	bool item, spoken; /* an item of a conversation with unknown type; it has a "role" */
	bool anyone;	   /* the author of the content is unknown */
	bool no_models;	   /* no member names a model because of its key */
	bool told;	   /* a model was named in it */
	bool schema;	   /* inside a schema: its keywords hold no model names */
	uint32_t ids; /* index + 1 of the segment of the token ids that this list holds; 0: none */
	enum model_key names; /* the meaning of its own key, if its strings name models */
	uint32_t first;	      /* index of the first segment inside */
	uint32_t key;	      /* index of the segment that names this object or list */
	/* offset of its opening bracket */
	size_t start;
	size_t refs, contents;	      /* the walk's counters at its beginning */
	struct span type, source;     /* of a part: its type and the type of its source; type.p
				       * NULL: none */
	const struct part_row *keyed; /* the row found by a key of the part; NULL: none */
	uint64_t seen;		      /* members seen that have two spellings: a bit for each
				       * node */
	enum seg_role role;	      /* of a message */
	struct seal {
		uint32_t segment;
		const struct seal_row *row;
	} seal[WALK_SEALS];
	unsigned nseals;
	struct reasoning_frame said; /* state for reasoning.c */
	/* The member that is being read. */
	const struct node *member;
	struct span name;
	uint32_t member_key;
};

/* The state of one walk, in the request's arena. frames[depth] is the innermost object or list. */
struct walk {
	const struct table *t;
	struct span raw;
	struct arena *a;
	struct body *out;
	struct body_refusal *why;
	struct seglist segs;
	size_t tools_room, params_room, frames_room, refs_room, models_room, caps_room,
		requests_room;
	size_t refs;	 /* references found so far */
	size_t contents; /* strings found where a part holds its own data */
	struct reasoning reasoning;
	uint32_t fraction[WALK_FRACTIONS]; /* indices of the segments of numbers with long
					    * fractions */
	unsigned nfractions;
	bool tokens;	      /* a number of READ_TOKENS was counted */
	struct frame *frames; /* frames[0] is around the document */
	unsigned depth;
};

/* Both fill in w->why and return the error. */
int walk_no_memory(struct walk *w);
int walk_refuse_type(struct walk *w, const struct row *row, size_t at);

/* ---- values.c ---- */
/* Reads the scalar that was just parsed, as the row defines. Returns 0, or a negative error with
 * *why filled in. */
int walk_value(
	struct walk *w, const struct row *row, const struct json_event *ev, struct span text);
/* Returns the request that the current value belongs to, or NULL. */
struct request_mark *walk_request(struct walk *w);
/* Returns true if the frame is a request: the document, or an object that a row marks as one of
 * many. */
bool walk_is_request(const struct walk *w, const struct frame *f);
/* Adds a request whose members begin at `top`. Returns 0 or ERR_NOMEM. */
int walk_begin_request(struct walk *w, size_t top);

/* ---- number.c: the ways in which a number literal may be read as text ---- */
/* Returns the literal as text to scan:
 * - A plain integer is returned as it is.
 * - An integer in another spelling (41.11e2, 4111.0) becomes its digits, as the receiver's parser
 *   would read it.
 * - If the digits could be read in several ways, all readings follow the literal, separated by
 *   " or ". One is the integer part, with and without the exponent. With `fractions`, the digits
 *   without the point, the digits after it, and both without trailing zeros are readings too.
 *
 * *fraction is set if the result contains readings of a fraction. p is NULL if memory is
 * exhausted. Example with `fractions`: 0.4111111111111111 becomes
 * "0.4111111111111111 or 4111111111111111". */
struct span number_text(struct span literal, bool fractions, struct arena *a, bool *fraction);

/* ---- parts.c ---- */
/* Returns true if the text begins with "data:" in any spelling that a URL parser accepts. */
bool walk_is_data_uri(struct span text);
/* Returns true if the segment's text may turn out to be opaque data when its part ends. */
bool walk_may_be_opaque(struct span text);
/* Marks the segment just added as an image if it may be opaque. Returns 0 or ERR_NOMEM. */
int walk_image(struct walk *w);
/* Returns the row of a part's type or key, or NULL. `rows` may be NULL. */
const struct part_row *walk_part_row(const struct part_row *rows, struct span name);
/* Records a key of a part. */
void walk_part_key(const struct walk *w, struct frame *f, struct span key);
/* Ends a part. Returns 0 or ERR_NOMEM. */
int walk_part_end(struct walk *w, const struct frame *f, size_t end);

#endif
