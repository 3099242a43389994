/* Forms: what the bodies of requests and answers are made of, of conversations and of embeddings. A
 * dialect has one of its own or several (OpenAI's has two of conversations), and one form is spoken
 * by several families: what Ollama, Mistral and vLLM answer on /v1/chat/completions is chat. */
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
	FORM_EMBEDDINGS = FORMS_OF_TALK, /* OpenAI's; those below are only translated into: */
	FORM_EMBED_GEMINI,		 /* batchEmbedContents */
	FORM_EMBED_COHERE,		 /* v2/embed */
	FORM_EMBED_INVOKED,		 /* Cohere's models at Bedrock */
	FORM_EMBED_TITAN,		 /* Amazon's there: one text a request */
	FORMS
};

/* "chat"; of FORM_NONE: NULL. */
const char *form_name(enum form f);
/* FORM_NONE: there is none of that name. */
enum form form_named(struct span name);
/* Of the requests to this endpoint; FORM_NONE: of none. */
enum form form_of_endpoint(const struct endpoint *e);
/* The forms in which a family's providers are asked, unless they say (`speaks`): bit by enum form. */
unsigned forms_of_dialect(const struct dialect *d);
/* Those from which translate/ makes this one, likewise. */
unsigned forms_into(enum form to);
/* In which this model of the family's is asked for embeddings; FORM_NONE: in none that is known. */
enum form form_of_embeddings(const struct dialect *d, struct span model);
/* Whose rows, errors and usage are a form's, where a request of another form goes in it. */
const struct dialect *form_dialect(enum form f);
/* Appends the path, without query, and the query after a '?' where there is one, to which a
 * request in this form goes; the model is in some forms' path.
 * Nothing of what is before it (a base URL's) is the form's. */
void form_target(enum form f, struct span model, bool stream, struct buf *out);

#endif
