/* Forms: the structure of request and response bodies, for conversations and for embeddings. A
 * dialect can have several forms: OpenAI has two for conversations. Several families can share
 * one form: Ollama, Mistral and vLLM use FORM_CHAT on /v1/chat/completions. translate/ converts
 * a request from one form to another. Any thread. */
#ifndef SCAN_DIALECT_FORM_H
#define SCAN_DIALECT_FORM_H

#include "scan/dialect/dialect.h"

enum form {
	FORM_NONE,
	FORM_CHAT,	/* OpenAI's chat completions */
	FORM_RESPONSES, /* OpenAI's responses */
	FORM_MESSAGES,	/* Anthropic's messages */
	FORM_GENERATE,	/* Gemini's generateContent, Vertex' too */
	FORM_CONVERSE,	/* Bedrock's converse */
	FORMS_OF_TALK,
	/* OpenAI's; the following forms are only targets of translation */
	FORM_EMBEDDINGS = FORMS_OF_TALK,
	FORM_EMBED_GEMINI,		 /* batchEmbedContents */
	FORM_EMBED_COHERE,		 /* v2/embed */
	FORM_EMBED_INVOKED,		 /* Cohere's models at Bedrock */
	FORM_EMBED_TITAN,		 /* Amazon's models at Bedrock: one input a request */
	FORMS
};

/* Returns the form's name, such as "chat"; NULL for FORM_NONE. */
const char *form_name(enum form f);
/* Returns the form of requests to this endpoint, or FORM_NONE. */
enum form form_of_endpoint(const struct endpoint *e);
/* Returns the forms that a family's providers accept unless `speaks` is configured. A bit mask
 * by enum form. */
unsigned forms_of_dialect(const struct dialect *d);
/* Returns the forms that translate/ can convert to `to`, as a bit mask by enum form. */
unsigned forms_into(enum form to);
/* Returns the form in which this model of the family accepts embedding requests, or FORM_NONE
 * if unknown. */
enum form form_of_embeddings(const struct dialect *d, struct span model);
/* Returns the family whose rows, errors and usage apply if a request is translated to form
 * `f`. */
const struct dialect *form_dialect(enum form f);
/* Appends the path of requests in this form, and a '?' with the query if the form has one. Some
 * forms have the model in the path. The prefix of a base URL is not included. */
void form_target(enum form f, struct span model, bool stream, struct buf *out);

#endif
