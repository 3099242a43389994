/* The cost of usage: prices by list and model, and sums in whole nano-dollars. A price list has
 * US dollars per million tokens. Internally, a token costs whole pico-dollars, and a sum is
 * rounded up once, so that nothing is lost without floating point. No I/O: policy/prices.h reads
 * the file. Everything is constant after loading: any thread. */
#ifndef BASE_PRICE_PRICE_H
#define BASE_PRICE_PRICE_H

#include "base/span.h"

/* The kinds of usage with their own price. Each used token is counted under one kind only. If a
 * row has no price for a kind, the price of `otherwise` applies; if that is the kind itself, the
 * usage has no price.
 *
 *   id               name in the file     of               otherwise */
/* clang-format off */
#define PRICE_TABLE(X) \
  X(PRICE_INPUT,      "input",             PRICE_PROMPT,    PRICE_INPUT,     "prompt tokens of no other kind") \
  X(PRICE_CACHED,     "cached",            PRICE_PROMPT,    PRICE_INPUT,     "prompt tokens that were read from the provider's cache") \
  X(PRICE_WRITE,      "cache_write",       PRICE_PROMPT,    PRICE_INPUT,     "prompt tokens that were written to the cache for 5 minutes") \
  X(PRICE_WRITE_1H,   "cache_write_1h",    PRICE_PROMPT,    PRICE_WRITE,     "prompt tokens that were written to the cache for an hour") \
  X(PRICE_AUDIO_IN,   "audio_input",       PRICE_PROMPT,    PRICE_INPUT,     "audio tokens in the prompt") \
  X(PRICE_IMAGE_IN,   "image_input",       PRICE_PROMPT,    PRICE_INPUT,     "image tokens in the prompt") \
  X(PRICE_CACHED_AUDIO, "cached_audio",    PRICE_PROMPT,    PRICE_AUDIO_IN,  "audio tokens in the prompt that were read from the provider's cache") \
  X(PRICE_CACHED_IMAGE, "cached_image",    PRICE_PROMPT,    PRICE_IMAGE_IN,  "image tokens in the prompt that were read from the provider's cache") \
  X(PRICE_OUTPUT,     "output",            PRICE_ANSWER,    PRICE_OUTPUT,    "response tokens of no other kind") \
  X(PRICE_REASONING,  "reasoning",         PRICE_ANSWER,    PRICE_OUTPUT,    "reasoning tokens") \
  X(PRICE_AUDIO_OUT,  "audio_output",      PRICE_ANSWER,    PRICE_OUTPUT,    "audio tokens in the response") \
  X(PRICE_IMAGE_OUT,  "image_output",      PRICE_ANSWER,    PRICE_OUTPUT,    "image tokens in the response") \
  X(PRICE_IMAGES,     "image",             PRICE_EACH,      PRICE_IMAGES,    "generated images that are not counted in tokens") \
  X(PRICE_SEARCHES,   "search",            PRICE_EACH,      PRICE_SEARCHES,  "searches, and units of reranking") \
  X(PRICE_MAPS,       "maps",              PRICE_EACH,      PRICE_SEARCHES,  "responses that are grounded in maps") \
  X(PRICE_SESSIONS,   "session",           PRICE_EACH,      PRICE_SESSIONS,  "sessions of tools that the provider runs") \
  X(PRICE_FILES,      "file_search",       PRICE_EACH,      PRICE_SEARCHES,  "searches of files that the provider stores") \
  X(PRICE_DRAWN,      "tool_image",        PRICE_EACH,      PRICE_IMAGES,    "images that a provider's tool generates in a response") \
  X(PRICE_SECONDS,    "second",            PRICE_EACH,      PRICE_SECONDS,   "seconds of transcribed audio") \
  X(PRICE_CHARACTERS, "character",         PRICE_EACH,      PRICE_CHARACTERS, "characters of synthesized speech") \
  X(PRICE_STORED,     "cache_storage",     PRICE_HOURS,     PRICE_STORED,    "tokens that a cache stores, for each hour") \
  X(PRICE_REQUESTS,   "request",           PRICE_EACH,      PRICE_REQUESTS,  "requests")
/* clang-format on */

enum price_kind {
#define X(id, name, of, otherwise, help) id,
	PRICE_TABLE(X)
#undef X
		PRICE_KINDS
};
/* The unit of a price. Prompt and answer: US dollars per million tokens. Each: US dollars for
 * one. Hours: US dollars for a million tokens and an hour; usage is counted in tokens times
 * seconds. */
enum price_of { PRICE_PROMPT, PRICE_ANSWER, PRICE_EACH, PRICE_HOURS };

extern const char *const price_names[PRICE_KINDS];
enum price_of price_of(enum price_kind k);
/* Returns true if the kind is not part of the tokens of a prompt or a response. */
bool price_apart(enum price_kind k);

/* The provider's service tier. A row may state which share of its prices each tier costs;
 * PRICE_EACH kinds can be included. If a row has no share for fast, that of priority applies,
 * because OpenAI uses one rate for both. The reverse is not true: Anthropic's priority is a
 * standing order at the standard price. */
enum price_service {
	PRICE_STANDARD,
	PRICE_BATCH,
	PRICE_FLEX,
	PRICE_PRIORITY,
	PRICE_FAST,
	PRICE_SERVICES
};
extern const char *const price_service_names[PRICE_SERVICES];
/* Returns the tier for a `service_tier` in a request or response, also for Google's
 * SERVICE_TIER_… and Vertex' ON_DEMAND_…; PRICE_STANDARD for any other word. */
enum price_service price_service_of(struct span word);

/* The usage of a request, or its upper limits. */
struct price_usage {
	uint64_t n[PRICE_KINDS];
	enum price_service service;
	bool us_only; /* served in the United States only, which has an additional share */
	bool batch;   /* for price_worst(): the requests belong to a batch, whatever they ask for */
};

/* Pico-dollars for one token, or for one of PRICE_EACH. `has`: a bit for each kind. */
struct price_rates {
	uint64_t pico[PRICE_KINDS];
	unsigned has;
};

/* The prices for prompts of more than `over` tokens. They apply to the whole request, not only
 * to the tokens beyond. */
struct price_tier {
	/* from: the number as written in the file, if it was one more than `over` */
	uint64_t over, from;
	struct price_rates rates;
};

enum { PRICE_TIERS_MAX = 4, PRICE_WHERE_MAX = 32 };

/* The properties of a request, or of the place where it is served, that prices depend on. */
enum price_ask { ASKED_SIZE, ASKED_QUALITY, ASKED_CONTEXT, ASKED_REGION, PRICE_ASKS };
/* "": absent; "auto": the provider chooses, or the requests differ. */
struct price_asked {
	struct span v[PRICE_ASKS];
};

/* Prices of pieces, and a share for the prices of tokens, which apply if all patterns match. */
struct price_where {
	const char *is[PRICE_ASKS]; /* NULL: any value, or none */
	struct price_rates rates;
	uint32_t share; /* 0: none */
};

struct price_row {
	const char *model; /* a pattern, in which * matches any text */
	/* The first bytes of the pattern before a *, set by price_row_names(); a mask of 0:
	 * none. */
	uint64_t begins, begins_mask;
	int64_t from_s;	   /* wall seconds; the row is valid from then on; 0: always */
	char from[11];	   /* the date for records; "": always */
	struct price_rates rates;
	struct price_tier tier[PRICE_TIERS_MAX]; /* sorted by `over`, ascending */
	size_t ntiers;
	/* Hundredths of a percent of the prices. 0: not given, as PRICE_STANDARD. */
	uint32_t share[PRICE_SERVICES];
	uint32_t us_only; /* hundredths of a percent; 0: not given, no additional share */
	/* entries for price_where(), which set prices by the properties of a request */
	const struct price_where *where;
	size_t nwhere;
	unsigned shared;  /* a bit for each PRICE_EACH kind that shares apply to */
	const void *at;	  /* position in the file, for messages */
};

/* The rows for one provider. */
struct price_list {
	const char *name; /* pattern of the names of providers */
	const struct price_row *rows;
	size_t nrows;
	const void *at;
};

/* A tool that the provider runs, and the kind that each use counts as. */
struct price_tool {
	/* pattern of the tool's type, or of the member that requests the tool */
	const char *name;
	enum price_kind kind;
};

struct prices {
	const char *file;
	const struct price_tool
		/* the most specific pattern applies; no match: dialect_count_tool_uses()
		 * decides */
		*tools;
	size_t ntools;
	const struct price_list *lists;
	size_t nlists;
	char as_of[11];
	bool where; /* at least one row has `where` entries */
};

/* Sets the model's pattern and the bytes that are compared first. The text is borrowed. */
void price_row_names(struct price_row *row, const char *model);
/* Returns the list for a provider by its name or, if no pattern matches, by `otherwise` (the
 * name of its dialect). The most specific pattern applies. NULL: there is no list. */
const struct price_list *prices_list(
	const struct prices *p, struct span provider, struct span otherwise);
/* Returns the row for a model at a time. In an ARN, and in Google's models/x and projects/…/x,
 * the model is the part after the last slash. Of the valid rows, the most specific pattern
 * applies; for equal patterns, the newest. A pattern that does not end in * also matches its
 * versions: names followed by a price_version(). NULL: the model has no price. `l` may be NULL. */
const struct price_row *price_find(
	const struct price_list *l, struct span model, int64_t at_wall_ns);

/* Returns the row for what was asked: of its `where` entries, the first one that fits sets a
 * price. `most`: the highest price of all that may fit, because the provider may choose anything
 * that was not stated. Otherwise a property that was not stated fits no pattern, and "auto" fits
 * any. */
struct price_row price_where(
	const struct price_row *row, const struct price_asked *asked, bool most);

struct price_cost {
	uint64_t nanousd;  /* rounded up; the sum of the kinds that have a price */
	unsigned unpriced; /* a bit for each kind that was used but has no price */
};
/* Returns 0, or ERR_RANGE for more than 2^63 - 1 nano-dollars (nanousd is then this limit). */
int price_cost(
	const struct price_row *row, const struct price_usage *used, struct price_cost *out);
/* Returns the most that a request may cost within limits: most->n[PRICE_INPUT] tokens of prompt
 * and most->n[PRICE_OUTPUT] tokens of response, each at its most expensive kind, in the most
 * expensive tier that the prompt may reach. Other kinds in `most` count as they are, plus one
 * request. `may`: a bit for each kind that can occur besides input, cached, output and
 * reasoning; PRICE_MAY_ANY if unknown. The result is never less than price_cost() of any usage
 * within the limits. */
#define PRICE_MAY_ANY (~0u)
int price_worst(const struct price_row *row, const struct price_usage *most, unsigned may,
	struct price_cost *out);

/* ---- patterns ---- */

enum { PRICE_PATTERN_MAX = 128 };
/* Returns the number of patterns that a text with {a,b} stands for; 0: unbalanced braces, or
 * more than 4096. */
size_t price_variants(struct span text);
/* Writes the i-th of these patterns with a NUL. Returns false if it is longer than
 * PRICE_PATTERN_MAX. */
bool price_variant(struct span text, size_t i, char out[PRICE_PATTERN_MAX + 1]);
/* Returns the part after the last slash of an ARN and of Google's models/x and projects/…/x;
 * otherwise the name. */
struct span price_bare_name(struct span model);
/* Returns the number of bytes at the end of a model's name that are only its version: -20260131,
 * -2026-01-31, @20260131, @2026-01-31, -0131, -001, -v1, -v1:0, -latest; 0: none. */
size_t price_version(struct span name);
/* Returns true if the name matches. A * matches any text, also an empty one. */
bool price_matches(const char *pattern, struct span name);
/* Returns true if `wide` matches every name that `narrow` matches. */
bool price_within(const char *narrow, const char *wide);
/* Returns true if some name matches both patterns. */
bool price_overlap(const char *a, const char *b);
/* The most specific of the patterns that match a name applies. Returns true if `pattern` is more
 * specific than `best`, the best so far (NULL: none). */
bool price_better(const char *best, const char *pattern, struct span name);
/* Returns true if some name matches both patterns and neither is more specific. */
bool price_ambiguous(const char *a, const char *b);

/* ---- numbers ---- */

/* Parses decimal text such as "0.075" or "15": *pico is US dollars x 10^scale. Returns 0,
 * ERR_SYNTAX, or ERR_RANGE (more than PRICE_USD_MAX, or non-zero digits below the scale). */
enum { PRICE_SCALE_TOKEN = 6, PRICE_SCALE_EACH = 12, PRICE_USD_MAX = 1000000 };
int price_parse(struct span text, unsigned scale, uint64_t *pico);
/* Writes nano-dollars as US dollars: "0.00123", without zeros at the end, at least "0.0". */
enum { PRICE_TEXT_MAX = 32 };
void price_text(uint64_t nanousd, char out[PRICE_TEXT_MAX]);

#endif
