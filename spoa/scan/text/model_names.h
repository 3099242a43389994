/* Decides by a member's name whether its value names a model. Bodies name models at places that
 * no row of a table knows, and a caller could use them to reach a model that the policy forbids. */
#ifndef SCAN_TEXT_MODEL_NAMES_H
#define SCAN_TEXT_MODEL_NAMES_H

#include "scan/text/body.h"

enum model_key {
	KEY_ELSE,
	KEY_MODEL,  /* "model", "baseModel", "judge-model-id": its strings are model names */
	KEY_MODELS, /* "models": names many. The strings in an object below it are model names
		     * too, whatever their keys are called. */
};
/* Returns what the key means. Case and separators between words do not matter. */
enum model_key model_key(struct span key);
enum model_list {
	/* Members of an object that describes a model, but are no model names: "type", "speed". */
	MODEL_ASIDE,
	/* "json_schema", "parameters", "tools[*].function": a schema follows. In a schema, only
	 * the values of keywords such as "properties" and "default" are the caller's own data. */
	MODEL_SCHEMA,
	MODEL_SCHEMA_KEYWORD,
	/* The value is always the caller's own data: "chat_template_kwargs". */
	MODEL_OWN,
};
/* Returns true if the key ends with a name of the list. */
bool model_key_in(enum model_list list, struct span key);
/* Returns true if any name in a form's or query's key means a model: "session[model]",
 * "models[]", "a.model". */
bool model_key_path(struct span name);

/* Adds a model that the policy must decide on, unless it is already in the list. If there are
 * more than CAP_MODELS, only one more is stored. Returns 0 or ERR_NOMEM. */
int model_add_other(struct body *b, struct span name, struct arena *a);

#endif
