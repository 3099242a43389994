/* How requests to a model are counted: the vocabulary, the overhead of a chat, the error of an
 * estimate if the provider's tokenizer is not known, and the model's limits.
 * policy/config/models.c reads the table from policies/models.yaml, which is compiled in, or
 * from another file. Immutable: any thread. */
#ifndef BASE_TOKENS_MODELS_H
#define BASE_TOKENS_MODELS_H

#include "base/span.h"

/* The script of a text. Other tokenizers differ from the known ones by script. */
enum text_script { SCRIPT_PROSE, SCRIPT_SOURCE, SCRIPT_HAN, SCRIPT_ELSE, TEXT_SCRIPTS };
extern const char *const text_script_names[TEXT_SCRIPTS]; /* latin, code, cjk, other */
/* Returns the script of a sample of at most 4 KB. */
enum text_script text_script(struct span text);

/* Tokens, or factors in thousandths. */
/* clang-format off */
#define FAMILY_TABLE(X) \
  X(message,    "message",    "around each message of a chat") \
  X(named,      "named",      "added if a message has a name") \
  X(reply,      "reply",      "before the response of a chat") \
  X(tools,      "tools",      "once, if the request defines tools") \
  X(function,   "function",   "each tool") \
  X(properties, "properties", "a tool with parameters, and each object in the parameters") \
  X(property,   "property",   "each parameter") \
  X(enum_key,   "enum",       "each list of values that a parameter may have") \
  X(enum_item,  "enum_item",  "each of these values") \
  X(image,      "image",      "each image") \
  X(audio_kb,   "audio_kb",   "1,024 bytes of audio, as encoded in the request") \
  X(file_kb,    "file_kb",    "1,024 bytes of a file, as encoded in the request") \
  X(reasoning,  "reasoning",  "added for the response if the request has no limit")
/* clang-format on */

struct token_family {
	const char *name;
	const char *encoding;  /* the name of a rank file */
	const char *otherwise; /* used if that file is missing; NULL: an upper limit by bytes */
	bool exact;	       /* the provider's own encoding: the factors are 1 */
	struct {
		uint32_t mean, most; /* thousandths; most: for 19 of 20 texts */
	} factor[TEXT_SCRIPTS];
#define X(field, key, help) int32_t field;
	FAMILY_TABLE(X)
#undef X
};

struct token_model {
	const char *pattern; /* a pattern, in which * matches any text */
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
extern const char *const efforts[]; /* ends with NULL */

/* The reasoning effort that a model accepts in a request. */
struct model_effort {
	enum effort_takes {
		EFFORT_ANY,    /* no row states it */
		EFFORT_IS_OFF, /* the model does not reason, and refuses the member */
		EFFORT_LEVELS,
		EFFORT_BUDGET,
	} takes;
	unsigned levels;      /* EFFORT_LEVELS: bits, by EFFORT_NONE and so on */
	uint64_t least, most; /* EFFORT_BUDGET: tokens; least 0: reasoning can be switched off */
};

/* The rate of a model without a row that states it. */
enum { MODEL_RATE_DEFAULT = 400 };

/* The limits of a model, in tokens; 0: not given. */
struct model_size {
	const char *model; /* a pattern, as for prices (base/price/price.h) */
	/* prompt and response together, or the prompt alone if the provider counts so */
	uint64_t window;
	uint64_t output;   /* the most tokens that a request may ask for in a response */
	/* the most tokens that any service generates in a second for one response */
	uint64_t rate;
	struct model_effort effort;
	bool fixed_sampling; /* the model refuses a caller's temperature, top_p and top_k */
	bool custom_tools; /* the model supports OpenAI's custom tools, whose arguments are text */
	const void *at;	   /* position in the file, for messages */
};

struct token_models {
	const struct token_family *families;
	size_t nfamilies;
	const struct token_model *models;
	size_t nmodels;
	const struct token_family *unknown;
	const struct model_size *sizes;
	size_t nsizes;
	/* The smallest window and output of any model; UINT64_MAX: no row gives one.
	 * least_bytes: a prompt of so many bytes fits every window, by any family's factors. */
	uint64_t least_window, least_output, least_bytes;
};

/* Returns the family of a model, never NULL. An empty name is unknown. */
const struct token_family *token_family_of(const struct token_models *m, struct span model);
/* Returns the limits of a model. Each number comes from the most specific pattern whose row has
 * it, as for prices: an ARN counts by the part after its last slash, and a model's versions by
 * its name. A model without a row has no limits, and the rate MODEL_RATE_DEFAULT. */
struct model_size model_size_of(const struct token_models *m, struct span model);

/* A file that is compiled in. */
struct models_file {
	const char *name, *text;
	size_t n;
};
extern const struct models_file models_builtin[];
extern const size_t models_builtin_count;

#endif
