/* Finish reasons in each form's words. The first row of a reason is written; all rows are
 * read. */
#include "answer/translate/answer_private.h"

/* clang-format off */
static const struct {
	enum form form;
	const char *word;
	enum answer_stop is;
} stops[] = {
	{ FORM_CHAT,      "stop",              STOP_END },
	{ FORM_CHAT,      "eos",               STOP_END }, /* Together */
	{ FORM_CHAT,      "eos_token",         STOP_END }, /* TGI */
	{ FORM_CHAT,      "length",            STOP_LENGTH },
	{ FORM_CHAT,      "model_length",      STOP_LENGTH }, /* Mistral */
	{ FORM_CHAT,      "tool_calls",        STOP_CALLS },
	{ FORM_CHAT,      "function_call",     STOP_CALLS },
	{ FORM_CHAT,      "content_filter",    STOP_REFUSAL },
	{ FORM_RESPONSES, "completed",         STOP_END },
	{ FORM_RESPONSES, "max_output_tokens", STOP_LENGTH },
	{ FORM_RESPONSES, "content_filter",    STOP_REFUSAL },
	{ FORM_RESPONSES, "queued",            STOP_NOT_YET },
	{ FORM_RESPONSES, "in_progress",       STOP_NOT_YET },
	{ FORM_RESPONSES, "incomplete",        STOP_NOT_YET }, /* the reason is beside it */
	{ FORM_MESSAGES,  "end_turn",          STOP_END },
	{ FORM_MESSAGES,  "stop_sequence",     STOP_SEQUENCE },
	{ FORM_MESSAGES,  "tool_use",          STOP_CALLS },
	{ FORM_MESSAGES,  "max_tokens",        STOP_LENGTH },
	{ FORM_MESSAGES,  "model_context_window_exceeded", STOP_WINDOW },
	{ FORM_MESSAGES,  "refusal",           STOP_REFUSAL },
	{ FORM_GENERATE,  "STOP",              STOP_END },
	{ FORM_GENERATE,  "MAX_TOKENS",        STOP_LENGTH },
	/* one of several continued requests */
	{ FORM_GENERATE,  "CONTINUATION",      STOP_LENGTH },
	{ FORM_GENERATE,  "SAFETY",            STOP_REFUSAL },
	{ FORM_GENERATE,  "RECITATION",        STOP_REFUSAL },
	{ FORM_GENERATE,  "BLOCKLIST",         STOP_REFUSAL },
	{ FORM_GENERATE,  "PROHIBITED_CONTENT", STOP_REFUSAL },
	{ FORM_GENERATE,  "SPII",              STOP_REFUSAL },
	{ FORM_GENERATE,  "LANGUAGE",          STOP_REFUSAL },
	{ FORM_GENERATE,  "IMAGE_SAFETY",      STOP_REFUSAL },
	{ FORM_GENERATE,  "IMAGE_PROHIBITED_CONTENT", STOP_REFUSAL },
	{ FORM_GENERATE,  "IMAGE_RECITATION",  STOP_REFUSAL },
	{ FORM_GENERATE,  "OTHER",             STOP_ODD },
	{ FORM_GENERATE,  "FINISH_REASON_UNSPECIFIED", STOP_ODD },
	{ FORM_GENERATE,  "MALFORMED_FUNCTION_CALL", STOP_MALFORMED },
	{ FORM_GENERATE,  "UNEXPECTED_TOOL_CALL", STOP_ODD },
	{ FORM_GENERATE,  "TOO_MANY_TOOL_CALLS", STOP_ODD },
	{ FORM_GENERATE,  "MISSING_THOUGHT_SIGNATURE", STOP_ODD },
	{ FORM_GENERATE,  "NO_IMAGE",          STOP_ODD },
	{ FORM_GENERATE,  "IMAGE_OTHER",       STOP_ODD },
	{ FORM_CONVERSE,  "end_turn",          STOP_END },
	{ FORM_CONVERSE,  "stop_sequence",     STOP_SEQUENCE },
	{ FORM_CONVERSE,  "tool_use",          STOP_CALLS },
	{ FORM_CONVERSE,  "max_tokens",        STOP_LENGTH },
	{ FORM_CONVERSE,  "model_context_window_exceeded", STOP_WINDOW },
	{ FORM_CONVERSE,  "content_filtered",  STOP_REFUSAL },
	{ FORM_CONVERSE,  "guardrail_intervened", STOP_REFUSAL },
	{ FORM_CONVERSE,  "malformed_tool_use", STOP_MALFORMED },
	{ FORM_CONVERSE,  "malformed_model_output", STOP_MALFORMED },
};
/* clang-format on */

/* The reason that is written if the form has no word for one. Each form has an end, a length
 * and a refusal. */
static const enum answer_stop coarser[] = {
	[STOP_SEQUENCE] = STOP_END, [STOP_CALLS] = STOP_END, [STOP_WINDOW] = STOP_LENGTH,
	[STOP_MALFORMED] = STOP_END, [STOP_ODD] = STOP_END
};

enum answer_stop
answer_stop_of(enum form f, struct span word)
{
	for (size_t i = 0; i < COUNT_OF(stops); i++)
		if (stops[i].form == f && span_is(word, stops[i].word))
			return stops[i].is;
	return STOP_NONE;
}

const char *
answer_stop_word(enum form f, enum answer_stop stop)
{
	for (size_t i = 0; i < COUNT_OF(stops); i++)
		if (stops[i].form == f && stops[i].is == stop)
			return stops[i].word;
	return answer_stop_word(f, coarser[stop]);
}

bool
translator_ended_well(enum form f, struct span finish, bool calls)
{
	enum answer_stop s = answer_stop_of(f, finish);

	return s == STOP_END || (calls && s == STOP_CALLS);
}
