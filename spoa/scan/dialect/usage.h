/* What an answer counts of itself: its reader says of each value where it is, and goes down the
 * rows of the family with it (scan/dialect/usage_rows.c). owner: whoever reads the document. */
#ifndef SCAN_DIALECT_USAGE_H
#define SCAN_DIALECT_USAGE_H

#include "base/arena.h"
#include "base/codec/json.h"
#include "scan/dialect/dialect.h"

/* path = member { "." member } [ "[]." element ]. An array's element is named by its
 * "modality", "ttl" or "type", "image" where it has none but is one, and "webSearchQueries"
 * where it is grounded. It counts its "tokenCount" or "inputTokens", or the queries; one that
 * has neither is one. Elements of one name add up. */
struct usage_row {
	const char *path;
	/* rows of one field add up */
	enum usage_field {
		USAGE_INPUT,
		USAGE_OUTPUT,
		/* parts of the input */
		USAGE_CACHED,
		USAGE_WRITE, /* what is kept for an hour too */
		USAGE_WRITE_1H,
		USAGE_AUDIO_IN,
		USAGE_IMAGE_IN,
		/* parts of the output */
		USAGE_REASONING,
		USAGE_AUDIO_OUT,
		USAGE_IMAGE_OUT,
		/* by the piece */
		USAGE_IMAGES,
		USAGE_SEARCHES,
		USAGE_MAPS,
		USAGE_SESSIONS,
		USAGE_FILES,
		USAGE_DRAWN,
		USAGE_SECONDS, /* a fraction is one more */
		USAGE_LENGTH,  /* likewise, where nothing else is counted */
		USAGE_KEPT,    /* tokens of a cache that was made */
		USAGE_APART,   /* input too, unless a total shows that it is in the input */
		USAGE_TOTAL,
		USAGE_FIELDS
	} field;
	bool instead; /* counts where no row of its field before it does */
};
/* usage_rows.c; path NULL last */
extern const struct usage_row usage_openai[], usage_anthropic[], usage_gemini[],
	usage_bedrock[], usage_cohere[], usage_ollama[], usage_tgi[];

struct usage_counts; /* of a document; NULL: none */
struct usage_index;

struct usage_reader {
	const struct dialect *d;
	struct span json;
	struct arena *a;
	struct usage_counts *counts; /* in the arena */
	const struct usage_index *index; /* of the family's rows */
	bool failed;		     /* it had no memory */
};

/* An element of a list that counts: its name, and how many it is. */
struct usage_element {
	struct span name, count;
	enum json_tok tok; /* of the count; JSON_NULL: it has none, and is one itself */
	uint64_t queries;  /* Gemini's grounding, in a candidate: what was searched for */
	bool searched, mapped;
};

/* Where a value is. All zero: nothing there counts, nor below. */
struct usage_place {
	enum usage_part {
		USAGE_NOTHING,
		USAGE_ROWS,
		USAGE_ID, /* of the document */
		/* below an element */
		USAGE_ELEMENT,
		USAGE_NAME,
		USAGE_IMAGE,
		USAGE_COUNT,
		USAGE_NAMED_COUNT,
		USAGE_QUERIES,
		USAGE_CHUNKS,
		USAGE_CHUNK,
	} part;
	bool top;		    /* the document */
	bool leads;		    /* rows of the family are below */
	unsigned short at;	    /* so many bytes of the rows' paths lead here */
	uint64_t here, below, list; /* rows of this value, of members, of elements */
	struct usage_element *element;
};

/* Of the object that is the document; nothing in it counts where `d` is NULL. */
struct usage_place usage_begin(
	struct usage_reader *r, const struct dialect *d, struct span json, struct arena *a);
/* Of an object's member. */
struct usage_place usage_member(
	const struct usage_reader *r, struct usage_place at, struct span key);
/* Of the next element of the array that is there; `e` is its own, while it is read. */
struct usage_place usage_element(const struct usage_place *at, struct usage_element *e);
/* The value there, by its first token. */
void usage_value(
	struct usage_reader *r, const struct usage_place *at, const struct json_event *ev);
/* An element that is an object was read; `at`: of its array. */
void usage_element_end(
	struct usage_reader *r, const struct usage_place *at, const struct usage_element *e);

/* Of a whole response. */
void usage_whole(const struct usage_counts *c, struct usage *u);
/* Of one event; merges into *u (Anthropic splits it over message_start and message_delta; the
 * values are cumulative). True: it counts the output so far. */
bool usage_event(const struct usage_counts *c, struct span event, struct usage *u);
/* A key was there twice: it may have been a count. */
void usage_spoil(const struct dialect *d, struct usage *u);
/* True where a member of that name may be a count of usage_event(), or hold one: usage,
 * usageMetadata, eval_count and the like. An event without one, or with null for it, has none.
 */
bool usage_key_counts(struct span key);

#endif
