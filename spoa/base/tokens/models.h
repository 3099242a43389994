/* How requests to a model are counted: by which vocabulary, what a chat adds, and how far off
 * that is where the provider's tokenizer is not known; and how much a model reads and writes.
 * Read by policy/config/models.c from
 * policies/models.yaml, which is compiled in, or another file. Immutable: any thread. */
#ifndef BASE_TOKENS_MODELS_H
#define BASE_TOKENS_MODELS_H

#include "base/span.h"

/* What a text is to an estimate: how other tokenizers differ follows from it. */
enum text_script { SCRIPT_PROSE, SCRIPT_SOURCE, SCRIPT_HAN, SCRIPT_ELSE, TEXT_SCRIPTS };
extern const char *const text_script_names[TEXT_SCRIPTS]; /* latin, code, cjk, other */
/* Of a sample of at most 4 KB. */
enum text_script text_script(struct span text);

/* Tokens, or factors in thousandths. */
/* clang-format off */
#define FAMILY_TABLE(X) \
  X(message,    "message",    "around each message of a chat") \
  X(named,      "named",      "more, where a message has a name") \
  X(reply,      "reply",      "before the answer of a chat") \
  X(tools,      "tools",      "once, where the request defines tools") \
  X(function,   "function",   "each tool that is defined") \
  X(properties, "properties", "a tool with parameters, and each object in them") \
  X(property,   "property",   "each parameter") \
  X(enum_key,   "enum",       "each list of values that a parameter may have") \
  X(enum_item,  "enum_item",  "each of these values") \
  X(image,      "image",      "each image") \
  X(audio_kb,   "audio_kb",   "1,024 bytes of sound, as they are in the request") \
  X(file_kb,    "file_kb",    "1,024 bytes of a file, as they are in the request") \
  X(reasoning,  "reasoning",  "added for the response if the request has no limit")
/* clang-format on */

struct token_family {
	const char *name;
	const char *encoding;  /* of a file of ranks */
	const char *otherwise; /* where that is not there; NULL: a bound by bytes */
	bool exact;	       /* the provider's own: the factors are 1 */
	struct {
		uint32_t mean, most; /* thousandths; most: for 19 texts of 20 */
	} factor[TEXT_SCRIPTS];
#define X(field, key, help) int32_t field;
	FAMILY_TABLE(X)
#undef X
};

struct token_model {
	const char *pattern; /* * is any text */
	const struct token_family *family;
};

/* Levels of reasoning effort, the lowest first. */
enum {
	EFFORT_NONE,
	EFFORT_MINIMAL,
	EFFORT_LOW,
	EFFORT_MEDIUM,
	EFFORT_HIGH,
	EFFORT_XHIGH,
	EFFORT_MAX,
	EFFORTS
};
extern const char *const efforts[]; /* NULL last */

/* Which reasoning effort a model accepts in a request. */
struct model_effort {
	enum effort_takes {
		EFFORT_ANY,    /* no row says it */
		EFFORT_IS_OFF, /* the model does not reason, and refuses the member */
		EFFORT_LEVELS,
		EFFORT_BUDGET,
	} takes;
	unsigned levels;      /* EFFORT_LEVELS: bits, by EFFORT_NONE and so on */
	uint64_t least, most; /* EFFORT_BUDGET: tokens; least 0: it may be told not to reason */
};

/* In tokens; 0: not said. */
struct model_size {
	const char *model; /* pattern, as of a price (base/price/price.h) */
	uint64_t window;   /* of prompt and answer together, or of the prompt where its provider
			      says so */
	uint64_t output;   /* the most that an answer may be asked to be */
	struct model_effort effort;
	bool fixed_sampling; /* the model refuses a temperature, top_p and top_k of the caller */
	bool custom_tools;   /* the model takes OpenAI's custom tools, whose calls are a text */
	const void *at;	   /* where it is written, for messages */
};

struct token_models {
	const struct token_family *families;
	size_t nfamilies;
	const struct token_model *models;
	size_t nmodels;
	const struct token_family *unknown;
	const struct model_size *sizes;
	size_t nsizes;
	/* What no model's window or output is below; UINT64_MAX: no row says any. And of the
	 * bytes of a prompt: so many tokens fit every window, by any family's factors. */
	uint64_t least_window, least_output, least_bytes;
};

/* Never NULL. An empty name is unknown. */
const struct token_family *token_family_of(const struct token_models *m, struct span model);
/* Each number by the most specific pattern of a row that says it, found as a price is: of an ARN
 * what is after its last slash, and a model's versions by its name. A model without a row has
 * none. */
struct model_size model_size_of(const struct token_models *m, struct span model);

/* The file that is compiled in. */
struct models_file {
	const char *name, *text;
	size_t n;
};
extern const struct models_file models_builtin[];
extern const size_t models_builtin_count;

#endif
