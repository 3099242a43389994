/* The walk over a JSON body, for the files that share it: body_json.c descends, values.c
 * reads what a dialect reads, parts.c says what of it nobody can read. Private to text/. */
#ifndef SCAN_TEXT_WALK_H
#define SCAN_TEXT_WALK_H

#include "base/codec/json.h"
#include "scan/text/model_names.h"
#include "scan/text/reasoning.h"
#include "scan/text/table.h"

enum {
	WALK_FRACTIONS = 16, /* numbers with long ones in a body of measurements */
	WALK_FEW = 16,
	WALK_SEALS = 2, /* of one object */
};

struct frame {
	const struct node *node; /* NULL: below what the dialect knows */
	const struct row *row;	 /* its own */
	enum seg_role deep;	 /* of what no row gives a role */
	bool object, message, part;
	bool item, spoken; /* of a message: its type is unknown; it has a role */
	bool anyone;	   /* nobody knows who wrote what is in it */
	bool no_models;	   /* nothing in it is one because of its name */
	bool told;	   /* a model is named in it */
	bool schema;	   /* what is in its keywords names none */
	uint32_t ids; /* the segment of the ids of tokens that it lists, counted from 1; 0: none
		       */
	enum model_key names; /* what it is called, where its strings name models */
	uint32_t first;	      /* segment */
	uint32_t key;	      /* segment that names this container */
	size_t start;
	size_t refs, contents;	      /* as of the walk, before it */
	struct span type, source;     /* of a part; type.p NULL: none */
	const struct part_row *keyed; /* what a key of it says */
	uint64_t seen;		      /* members that have two spellings: bit by node */
	enum seg_role role;	      /* of a message */
	struct seal {
		uint32_t segment;
		const struct seal_row *row;
	} seal[WALK_SEALS];
	unsigned nseals;
	struct reasoning_frame said; /* for scan/text/reasoning.c */
	/* the member being read */
	const struct node *member;
	struct span name;
	uint32_t member_key;
};

struct walk {
	const struct table *t;
	struct span raw;
	struct arena *a;
	struct body *out;
	struct body_refusal *why;
	struct seglist segs;
	size_t tools_room, params_room, frames_room, refs_room, models_room, caps_room,
		requests_room;
	size_t refs;	 /* all of them */
	size_t contents; /* strings where a part's own data is, whatever they hold */
	struct reasoning reasoning;
	uint32_t fraction[WALK_FRACTIONS]; /* segments of numbers with long ones */
	unsigned nfractions;
	bool tokens;	      /* numbers of READ_TOKENS were counted */
	struct frame *frames; /* frames[0] is around the document */
	unsigned depth;
};

/* Both refuse, and return the error. */
int walk_no_memory(struct walk *w);
int walk_refuse_type(struct walk *w, const struct row *row, size_t at);

/* ---- values.c ---- */
/* What a row says of the scalar just read. 0, or negative with *why filled. */
int walk_value(
	struct walk *w, const struct row *row, const struct json_event *ev, struct span text);
/* The request that what is read belongs to; NULL: none. */
struct request_mark *walk_request(struct walk *w);
/* The frame is one: the document, or what a row says of many in it. */
bool walk_is_request(const struct walk *w, const struct frame *f);
/* 0 or ERR_NOMEM. */
int walk_begin_request(struct walk *w, size_t top);

/* ---- number.c: the ways in which a number literal may be read as text ---- */
/* The literal where it is plain digits. A whole number in another spelling (41.11e2,
 * 4111.0) is its digits: what the receiver's parser makes of it. Where digits could be
 * read in more than one way, all of them follow with " or " between: the whole part, with
 * and without the exponent, and where `fractions` the digits without the point, those
 * after it, and both without the zeros at their end. *fraction: there are such digits.
 * p is NULL: no memory. */
struct span number_text(struct span literal, bool fractions, struct arena *a, bool *fraction);

/* ---- parts.c ---- */
/* However a URL's reader spells it. */
bool walk_is_data_uri(struct span text);
/* The segment's text may cease to be text when its part ends. */
bool walk_may_be_opaque(struct span text);
/* The segment just added is an image, where it can be. 0 or ERR_NOMEM. */
int walk_image(struct walk *w);
/* The row of a part's type or key; NULL: none. `rows` may be NULL. */
const struct part_row *walk_part_row(const struct part_row *rows, struct span name);
/* A key of a part. */
void walk_part_key(const struct walk *w, struct frame *f, struct span key);
/* The part ends. 0 or ERR_NOMEM. */
int walk_part_end(struct walk *w, const struct frame *f, size_t end);

#endif
