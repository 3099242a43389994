/* What usage costs: prices by list and model, and sums in integer nano-dollars. A price list
 * says US dollars per million tokens; inside a token costs whole pico-dollars, and a sum is
 * rounded up once, so that nothing is lost and no floating point is used. No I/O: the file is
 * read by policy/prices.h. Everything here is const after loading: any thread. */
#ifndef BASE_PRICE_PRICE_H
#define BASE_PRICE_PRICE_H

#include "base/span.h"

/* What is priced apart. Each token that was used is counted under one of them only. Where a
 * row has no price for a kind, that of `otherwise` counts; without one (itself), what was used
 * has no price.
 *   id               name in the file     of               otherwise */
/* clang-format off */
#define PRICE_TABLE(X) \
  X(PRICE_INPUT,      "input",             PRICE_PROMPT,    PRICE_INPUT,     "tokens of the prompt that are none of the others") \
  X(PRICE_CACHED,     "cached",            PRICE_PROMPT,    PRICE_INPUT,     "tokens that were read from the provider's cache") \
  X(PRICE_WRITE,      "cache_write",       PRICE_PROMPT,    PRICE_INPUT,     "tokens that were written to it, for 5 minutes") \
  X(PRICE_WRITE_1H,   "cache_write_1h",    PRICE_PROMPT,    PRICE_WRITE,     "tokens that were written to it, for an hour") \
  X(PRICE_AUDIO_IN,   "audio_input",       PRICE_PROMPT,    PRICE_INPUT,     "tokens of sound in the prompt") \
  X(PRICE_IMAGE_IN,   "image_input",       PRICE_PROMPT,    PRICE_INPUT,     "tokens of images in the prompt") \
  X(PRICE_OUTPUT,     "output",            PRICE_ANSWER,    PRICE_OUTPUT,    "tokens of the answer that are none of the others") \
  X(PRICE_REASONING,  "reasoning",         PRICE_ANSWER,    PRICE_OUTPUT,    "tokens that were thought") \
  X(PRICE_AUDIO_OUT,  "audio_output",      PRICE_ANSWER,    PRICE_OUTPUT,    "tokens of sound in the answer") \
  X(PRICE_IMAGE_OUT,  "image_output",      PRICE_ANSWER,    PRICE_OUTPUT,    "tokens of images in the answer") \
  X(PRICE_IMAGES,     "image",             PRICE_EACH,      PRICE_IMAGES,    "images that were made, where they are not counted in tokens") \
  X(PRICE_SEARCHES,   "search",            PRICE_EACH,      PRICE_SEARCHES,  "searches, and units of ranking") \
  X(PRICE_MAPS,       "maps",              PRICE_EACH,      PRICE_SEARCHES,  "answers that maps are the ground of") \
  X(PRICE_SESSIONS,   "session",           PRICE_EACH,      PRICE_SESSIONS,  "sessions of tools that the provider runs") \
  X(PRICE_FILES,      "file_search",       PRICE_EACH,      PRICE_SEARCHES,  "searches of files that the provider keeps") \
  X(PRICE_DRAWN,      "tool_image",        PRICE_EACH,      PRICE_IMAGES,    "images that a tool of the provider makes in a response") \
  X(PRICE_SECONDS,    "second",            PRICE_EACH,      PRICE_SECONDS,   "seconds of sound that were written down") \
  X(PRICE_CHARACTERS, "character",         PRICE_EACH,      PRICE_CHARACTERS, "characters that were spoken") \
  X(PRICE_STORED,     "cache_storage",     PRICE_HOURS,     PRICE_STORED,    "tokens that a cache keeps, by the hour") \
  X(PRICE_REQUESTS,   "request",           PRICE_EACH,      PRICE_REQUESTS,  "requests")
/* clang-format on */

enum price_kind {
#define X(id, name, of, otherwise, help) id,
	PRICE_TABLE(X)
#undef X
		PRICE_KINDS
};
/* Prompt and answer: US dollars per million tokens. Each: US dollars for one. Hours: for a
 * million tokens and an hour; counted in tokens times seconds. */
enum price_of { PRICE_PROMPT, PRICE_ANSWER, PRICE_EACH, PRICE_HOURS };

extern const char *const price_names[PRICE_KINDS];
enum price_of price_of(enum price_kind k);
/* It is none of the tokens of a prompt or an answer. */
bool price_apart(enum price_kind k);

/* At which rate the provider serves: a row may say what share of its prices of tokens each
 * costs, and of which of PRICE_EACH too. Where it has none for fast, that of priority counts:
 * OpenAI calls one rate both. Priority without one is no fast: Anthropic's is a standing order
 * at the standard price. */
enum price_service {
	PRICE_STANDARD,
	PRICE_BATCH,
	PRICE_FLEX,
	PRICE_PRIORITY,
	PRICE_FAST,
	PRICE_SERVICES
};
extern const char *const price_service_names[PRICE_SERVICES];
/* Of a request's or an answer's `service_tier`, Google's SERVICE_TIER_… and Vertex' ON_DEMAND_…
 * too; PRICE_STANDARD for words that say no other. */
enum price_service price_service_of(struct span word);

/* What was used, or may be at most. */
struct price_usage {
	uint64_t n[PRICE_KINDS];
	enum price_service service;
	bool us_only; /* in the United States alone: a share of its own, besides */
	bool batch;   /* price_worst(): its requests are those of a batch, whatever they ask for */
};

/* Pico-dollars for one token, or for one of PRICE_EACH; `has`: bit by kind. */
struct price_rates {
	uint64_t pico[PRICE_KINDS];
	unsigned has;
};

/* Prices of prompts of more than `over` tokens: all of the request's, not only what is over. */
struct price_tier {
	uint64_t over, from; /* from: so much was written, over is one less */
	struct price_rates rates;
};

enum { PRICE_TIERS_MAX = 4, PRICE_WHERE_MAX = 32 };

/* What a request says, or is known of where it goes, that prices depend on. */
enum price_ask { ASKED_SIZE, ASKED_QUALITY, ASKED_CONTEXT, ASKED_REGION, PRICE_ASKS };
/* "": it has no content; "auto": the provider chooses, or its requests differ. */
struct price_asked {
	struct span v[PRICE_ASKS];
};

/* Prices of what is counted by the piece, and a share of those of tokens, where all patterns
 * match. */
struct price_where {
	const char *is[PRICE_ASKS]; /* NULL: any, or nothing */
	struct price_rates rates;
	uint32_t share; /* 0: none */
};

struct price_row {
	const char *model; /* pattern: * is any text */
	/* price_row_names(): what its first bytes are, before a *; none where the mask is 0 */
	uint64_t begins, begins_mask;
	int64_t from_s;	   /* wall: valid from then on; 0: always was */
	char from[11];	   /* the date, "" for always: records say it */
	struct price_rates rates;
	struct price_tier tier[PRICE_TIERS_MAX]; /* ascending */
	size_t ntiers;
	/* Hundredths of a per cent of the prices; 0: not said, so as PRICE_STANDARD */
	uint32_t share[PRICE_SERVICES];
	uint32_t us_only; /* 0: not said, so as anywhere */
	const struct price_where *where; /* price_where() */
	size_t nwhere;
	unsigned shared;  /* bit by kind of PRICE_EACH: what shares multiply besides tokens */
	const void *at;	  /* where it is written, for messages */
};

/* The rows of one provider. */
struct price_list {
	const char *name; /* pattern */
	const struct price_row *rows;
	size_t nrows;
	const void *at;
};

/* A tool that the provider runs, and what each use of it is priced as. */
struct price_tool {
	const char *name; /* pattern: of its type, or of the member that asks for it */
	enum price_kind kind;
};

struct prices {
	const char *file;
	const struct price_tool
		*tools; /* the most specific counts; none: dialect_offered()'s own */
	size_t ntools;
	const struct price_list *lists;
	size_t nlists;
	char as_of[11];
	bool where; /* a row has some */
};

/* Sets model and what is compared before it; the text is borrowed. */
void price_row_names(struct price_row *row, const char *model);
/* The list for a provider: by its name; where no pattern matches that, by `otherwise` (its
 * dialect's). The most specific pattern counts. NULL: there is none. */
const struct price_list *prices_list(
	const struct prices *p, struct span provider, struct span otherwise);
/* The row for a model at a time; of an ARN, and of
 * Google's models/x and projects/…/x, what is after its last slash is the model. Of those
 * valid the one with the most specific pattern, of those with the same pattern the newest. A
 * pattern that does not end in * also means its versions: names with price_version() after it.
 * NULL: the model has no price. `l` NULL: none. */
const struct price_row *price_find(
	const struct price_list *l, struct span model, int64_t at_wall_ns);

/* The row for what was asked: of its `where` the first one that fits says a price. `most`: of
 * all that may fit the dearest, as what was not said may be anything that the provider likes;
 * else what was not said fits none, and "auto" any. */
struct price_row price_where(
	const struct price_row *row, const struct price_asked *asked, bool most);

struct price_cost {
	uint64_t nanousd;  /* rounded up; of what has a price */
	unsigned unpriced; /* bit by kind: used, but the row has no price for it */
};
/* 0, or ERR_RANGE: more than 2^63 - 1 nano-dollars (nanousd is that then). */
int price_cost(
	const struct price_row *row, const struct price_usage *used, struct price_cost *out);
/* The most that a request may cost, of which only bounds are known: at most
 * most->n[PRICE_INPUT] tokens of prompt and most->n[PRICE_OUTPUT] of answer, each at the
 * dearest kind it may turn out to be, in the dearest tier that such a prompt may reach; what
 * else is in `most` as it is, and one request. `may`: bit by kind, which kinds can occur
 * besides input, cached, output and reasoning: PRICE_MAY_ANY where the caller does not know.
 * Never less than price_cost() of any usage within the bounds. */
#define PRICE_MAY_ANY (~0u)
int price_worst(const struct price_row *row, const struct price_usage *most, unsigned may,
	struct price_cost *out);

/* ---- patterns ---- */

enum { PRICE_PATTERN_MAX = 128 };
/* How many patterns a text with {a,b} stands for; 0: a brace without its other one, or more
 * than 4096. */
size_t price_variants(struct span text);
/* The i-th of them, with a NUL. False: longer than PRICE_PATTERN_MAX. */
bool price_variant(struct span text, size_t i, char out[PRICE_PATTERN_MAX + 1]);
/* Of an ARN, and of Google's models/x and projects/…/x, what is after the last slash; else the
 * name. */
struct span price_bare_name(struct span model);
/* How many bytes at the end of a model's name say its version alone: -20260131, -2026-01-31,
 * @20260131, @2026-01-31, -0131, -001, -v1, -v1:0, -latest; 0: none. */
size_t price_version(struct span name);
/* Whether the name matches; * is any text, of no bytes too. */
bool price_matches(const char *pattern, struct span name);
/* Whether all names that `narrow` matches `wide` matches too. */
bool price_within(const char *narrow, const char *wide);
/* Whether there is a name that both match. */
bool price_overlap(const char *a, const char *b);
/* Of the patterns that match a name the most specific one counts: whether that is `pattern`,
 * where `best` (NULL: none) was it so far. */
bool price_better(const char *best, const char *pattern, struct span name);
/* Two patterns for some name, of which it would be chance which counts. */
bool price_ambiguous(const char *a, const char *b);

/* ---- numbers ---- */

/* Decimal text, as "0.075" or "15": *pico is US dollars x 10^scale. 0, ERR_SYNTAX, or ERR_RANGE
 * (more than PRICE_USD_MAX, or digits below the scale that are not 0). */
enum { PRICE_SCALE_TOKEN = 6, PRICE_SCALE_EACH = 12, PRICE_USD_MAX = 1000000 };
int price_parse(struct span text, unsigned scale, uint64_t *pico);
/* Nano-dollars as US dollars: "0.00123", without zeros at the end, at least "0.0". */
enum { PRICE_TEXT_MAX = 32 };
void price_text(uint64_t nanousd, char out[PRICE_TEXT_MAX]);

#endif
