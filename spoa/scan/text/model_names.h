/* Which members name models, by what they are called: bodies name them at places that no row
 * of a table knows. */
#ifndef SCAN_TEXT_MODEL_NAMES_H
#define SCAN_TEXT_MODEL_NAMES_H

#include "scan/text/body.h"

enum model_key {
	KEY_ELSE,
	KEY_MODEL,  /* "model", "baseModel", "judge-model-id", "models": its strings are models
		     */
	KEY_MODELS, /* of many: an object's strings are, too, whatever they are called */
};
/* Blind to case and to what separates words. */
enum model_key model_key(struct span key);
enum model_list {
	/* In an object that says what a model is, of something else: "type", "speed". */
	MODEL_ASIDE,
	/* "json_schema", "parameters", "tools[*].function": below it is a schema, of which only
	 * what is in a keyword as "properties" and "default" is a caller's own. */
	MODEL_SCHEMA,
	MODEL_SCHEMA_KEYWORD,
	/* Wherever it is, what it holds is a caller's own: "chat_template_kwargs". */
	MODEL_OWN,
};
bool model_key_in(enum model_list list, struct span key);
/* A form's or a query's: any of the names in "session[model]", "models[]", "a.model". */
bool model_key_path(struct span name);

/* Adds one that is to be decided for, unless it is known already. More than CAP_MODELS are
 * not remembered, and counted as one more. 0 or ERR_NOMEM. */
int model_add_other(struct body *b, struct span name, struct arena *a);

#endif
