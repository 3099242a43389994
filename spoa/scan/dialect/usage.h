/* Usage counts of a response. The reader of a JSON document tracks its place in the family's
 * rows with usage_begin(), usage_member() and usage_element(), and reports each value with
 * usage_value(). Thus usage is read in the same pass as the texts. Owner: the reader of the
 * document; one thread. */
#ifndef SCAN_DIALECT_USAGE_H
#define SCAN_DIALECT_USAGE_H

#include "base/arena.h"
#include "base/codec/json.h"
#include "scan/dialect/dialect.h"

/* One place of a count. path = member { "." member } [ "[]." element ]. The name of an array's
 * element is its "modality", "ttl" or "type". An element without these is "image" if it is an
 * image, and "webSearchQueries" if it is grounded by a search. An element counts its
 * "tokenCount" or "inputTokens", or its queries; an element without a count counts 1. Elements
 * with the same name are summed. Example: "usageMetadata.promptTokensDetails[].AUDIO". */
struct usage_row {
	const char *path;
	/* Several rows of one field are summed. */
	enum usage_field {
		USAGE_INPUT,
		USAGE_OUTPUT,
		/* parts of the input */
		USAGE_CACHED,
		USAGE_WRITE, /* all cache writes, including those kept for an hour */
		USAGE_WRITE_1H,
		USAGE_AUDIO_IN,
		USAGE_IMAGE_IN,
		USAGE_CACHED_AUDIO, /* parts of the cached and of the audio or image tokens */
		USAGE_CACHED_IMAGE,
		/* parts of the output */
		USAGE_REASONING,
		USAGE_AUDIO_OUT,
		USAGE_IMAGE_OUT,
		/* counted by piece */
		USAGE_IMAGES,
		USAGE_SEARCHES,
		USAGE_MAPS,
		USAGE_SESSIONS,
		USAGE_FILES,
		USAGE_DRAWN,
		USAGE_SECONDS, /* rounded up to whole seconds */
		USAGE_LENGTH,  /* also seconds, used only if nothing else is counted */
		USAGE_KEPT,    /* tokens of a created cache */
		/* input in addition, unless a total shows that the input includes it */
		USAGE_APART,
		USAGE_TOTAL,
		USAGE_FIELDS
	} field;
	bool instead; /* used only if no earlier row of its field has a count */
};
/* The last row has path NULL. */
extern const struct usage_row usage_openai[], usage_anthropic[], usage_gemini[],
	usage_bedrock[], usage_cohere[], usage_ollama[], usage_tgi[];

/* The counts of one document, in the arena; NULL: no member counted yet. */
struct usage_counts;
struct usage_index;

/* The state of one read. Zeroed by usage_begin(); owned by the document's reader. */
struct usage_reader {
	const struct dialect *d;
	struct span json;
	struct arena *a;
	struct usage_counts *counts;	 /* in the arena */
	const struct usage_index *index; /* index of the family's rows */
	bool failed;			 /* an allocation failed */
};

/* One element of a counting list while it is read: its name and its number. */
struct usage_element {
	struct span name, count;
	enum json_tok tok; /* token of the count; JSON_NULL: no count, the element counts 1 */
	uint64_t queries;  /* Gemini: number of search queries in a candidate's grounding */
	bool searched, mapped;
};

/* The reader's place in the rows. All zero: neither this value nor anything below counts. */
struct usage_place {
	enum usage_part {
		USAGE_NOTHING,
		USAGE_ROWS,
		USAGE_ID, /* the document's id */
		/* inside an element of a list */
		USAGE_ELEMENT,
		USAGE_NAME,
		USAGE_IMAGE,
		USAGE_COUNT,
		USAGE_NAMED_COUNT,
		USAGE_QUERIES,
		USAGE_CHUNKS,
		USAGE_CHUNK,
	} part;
	bool top;	   /* the document itself */
	bool leads;	   /* some row continues below this member */
	unsigned short at; /* length in bytes of the common path prefix */
	/* bit sets of rows that continue here: with this value, with its members, with its
	 * elements */
	uint64_t here, below, list;
	struct usage_element *element;
};

/* Begins a document; returns the place of its top object. If `d` is NULL, nothing counts. */
struct usage_place usage_begin(
	struct usage_reader *r, const struct dialect *d, struct span json, struct arena *a);
/* Returns the place of an object's member. */
struct usage_place usage_member(
	const struct usage_reader *r, struct usage_place at, struct span key);
/* Returns the place of the next element of the array at `at`. `e` is storage for the element
 * while it is read. */
struct usage_place usage_element(const struct usage_place *at, struct usage_element *e);
/* Reports the first token of the value at a place. */
void usage_value(
	struct usage_reader *r, const struct usage_place *at, const struct json_event *ev);
/* Reports that an element (an object) is complete. `at`: the place of its array. */
void usage_element_end(
	struct usage_reader *r, const struct usage_place *at, const struct usage_element *e);

/* Fills *u from the counts of a whole response. */
void usage_whole(const struct usage_counts *c, struct usage *u);
/* Merges the counts of one stream event into *u. Values are cumulative: Anthropic reports input
 * in message_start and output in message_delta. Returns true if the event reports the output so
 * far. */
bool usage_event(const struct usage_counts *c, struct span event, struct usage *u);
/* Marks the usage as unreliable because a key that may be a count occurred twice. */
void usage_spoil(const struct dialect *d, struct usage *u);
/* Returns true if a member with this name may be or contain a count for usage_event(): usage,
 * usageMetadata, eval_count and similar. An event without such a member, or with null for it,
 * has no usage. */
bool usage_key_counts(struct span key);

#endif
