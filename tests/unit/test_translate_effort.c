/* The requested amount of reasoning, written as the model accepts it by policies/models.yaml.
 * Rows are written with ' for ". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "answer/translate/request.h"
#include "base/err.h"
#include "policy/config/models.h"

#define CHAT "'messages':[{'role':'user','content':'hi'}]"
#define TOOL ",'tools':[{'type':'function','function':{'name':'f'}}],'tool_choice':'required'"
#define GEMINI "'contents':[{'parts':[{'text':'hi'}]}]"

/* clang-format off */
static const struct {
	const char *model;
	enum form from, to;
	const char *in, *has, *has_not, *left_out;
} rows[] = {
	/* Claude models with a budget */
	{ "claude-haiku-4-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'medium'," CHAT "}",
		"'thinking':{'type':'enabled','budget_tokens':8192}", "effort", NULL },
	{ "claude-haiku-4-5-20251001", FORM_RESPONSES, FORM_MESSAGES, "{'reasoning':{'effort':'high'},'input':'hi'}",
		"'thinking':{'type':'enabled','budget_tokens':24576}", "effort", NULL },
	{ "claude-opus-4-1", FORM_GENERATE, FORM_MESSAGES, "{" GEMINI ",'generationConfig':{'thinkingConfig':{'thinkingBudget':5000}}}",
		"'budget_tokens':5000", "effort", NULL },
	{ "claude-haiku-4-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'high','max_completion_tokens':4000," CHAT "}",
		"'budget_tokens':2000", NULL, NULL },
	{ "claude-haiku-4-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'high','max_completion_tokens':1500," CHAT "}",
		"'max_tokens':1500", "thinking", "reasoning_effort" },
	{ "claude-haiku-4-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'none'," CHAT "}", "'thinking':{'type':'disabled'}", NULL, NULL },
	{ "claude-haiku-4-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'low','temperature':0.2," CHAT "}",
		"'temperature':0.2", "thinking", "reasoning_effort" },
	{ "claude-haiku-4-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'low','temperature':1," CHAT "}", "'thinking'", NULL, NULL },
	{ "claude-haiku-4-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'low'," CHAT TOOL "}",
		"'tool_choice':{'type':'any'}", "thinking", "reasoning_effort" },
	{ "us.anthropic.claude-haiku-4-5-20251001-v1:0", FORM_CHAT, FORM_CONVERSE, "{'reasoning_effort':'low'," CHAT "}",
		"'additionalModelRequestFields':{'thinking':{'type':'enabled','budget_tokens':1024}}", "'effort'", NULL },
	/* Claude models with adaptive reasoning */
	{ "claude-opus-4-6", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'minimal'," CHAT "}",
		"'thinking':{'type':'adaptive'},'output_config':{'effort':'low'}", NULL, NULL },
	{ "claude-opus-4-6", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'xhigh'," CHAT "}", "'effort':'high'", NULL, NULL },
	{ "claude-opus-4-6", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'high','temperature':0," CHAT "}",
		"'output_config':{'effort':'high'}", "thinking", "reasoning_effort" },
	{ "claude-opus-4-6", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'high'," CHAT TOOL "}",
		"'output_config':{'effort':'high'}", "thinking", "reasoning_effort" },
	{ "of-my-own", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'high'," CHAT "}",
		"'thinking':{'type':'adaptive'},'output_config':{'effort':'high'}", NULL, NULL },
	{ "claude-3-haiku-20240307", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'high'," CHAT "}", "'messages'", "thinking", "reasoning_effort" },
	/* Gemini */
	{ "gemini-2.5-flash", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'high'," CHAT "}", "'thinkingBudget':24576", "thinkingLevel", NULL },
	{ "gemini-2.5-flash", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'none'," CHAT "}", "'thinkingBudget':0", NULL, NULL },
	{ "gemini-2.5-flash", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'low','temperature':0.2," CHAT TOOL "}", "'thinkingBudget':1024", NULL, NULL },
	{ "gemini-2.5-pro", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'none'," CHAT "}", "'thinkingBudget':128", NULL, "reasoning_effort" },
	{ "gemini-2.5-flash", FORM_MESSAGES, FORM_GENERATE, "{'max_tokens':20000," CHAT ",'thinking':{'type':'enabled','budget_tokens':9000}}",
		"'thinkingConfig':{'thinkingBudget':9000,'includeThoughts':true}", NULL, NULL },
	{ "gemini-3-pro-preview", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'medium'," CHAT "}", "'thinkingLevel':'LOW'", NULL, NULL },
	{ "gemini-3-pro-preview", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'none'," CHAT "}", "'thinkingLevel':'LOW'", NULL, "reasoning_effort" },
	{ "gemini-3-flash-preview", FORM_MESSAGES, FORM_GENERATE, "{'max_tokens':9," CHAT ",'thinking':{'type':'adaptive'}}",
		"'thinkingConfig':{'includeThoughts':true}", NULL, NULL },
	{ "gemini-3-flash-preview", FORM_RESPONSES, FORM_GENERATE, "{'input':'hi','reasoning':{'effort':'low','summary':'auto'}}",
		"'thinkingConfig':{'thinkingLevel':'LOW','includeThoughts':true}", NULL, NULL },
	{ "gemini-2.0-flash", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'low'," CHAT "}", "'contents'", "thinking", "reasoning_effort" },
	{ "gemini-2.0-flash", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'none'," CHAT "}", "'contents'", "thinking", NULL },
	/* OpenAI */
	{ "gpt-4o", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9," CHAT ",'thinking':{'type':'enabled','budget_tokens':5000}}", "'messages'", "effort",
		"thinking.budget_tokens" },
	{ "gpt-4o-2024-08-06", FORM_CHAT, FORM_RESPONSES, "{'reasoning_effort':'low'," CHAT "}", "'input'", "effort", "reasoning_effort" },
	{ "gpt-5", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9," CHAT ",'thinking':{'type':'disabled'}}", "'reasoning_effort':'minimal'", NULL, "thinking.type" },
	{ "gpt-5.2", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9," CHAT ",'thinking':{'type':'disabled'}}", "'reasoning_effort':'none'", NULL, NULL },
	{ "gpt-5", FORM_MESSAGES, FORM_RESPONSES, "{'max_tokens':9," CHAT ",'thinking':{'type':'adaptive'},'output_config':{'effort':'max'}}",
		"'reasoning':{'effort':'high'}", NULL, NULL },
	{ "gpt-6-sol", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9," CHAT ",'output_config':{'effort':'max'}}", "'reasoning_effort':'max'", NULL, NULL },
	{ "gpt-6-astra", FORM_MESSAGES, FORM_RESPONSES, "{'max_tokens':9," CHAT ",'thinking':{'type':'disabled'}}", "'reasoning':{'effort':'low'}", NULL, "thinking.type" },
	{ "gpt-5.5", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9," CHAT ",'output_config':{'effort':'max'}}", "'reasoning_effort':'xhigh'", NULL, NULL },
	{ "gpt-5.5-pro", FORM_MESSAGES, FORM_RESPONSES, "{'max_tokens':9," CHAT ",'output_config':{'effort':'low'}}", "'reasoning':{'effort':'medium'}", NULL, NULL },
	{ "gpt-5.2-chat-latest", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9," CHAT ",'output_config':{'effort':'high'}}", "'reasoning_effort':'medium'", NULL, NULL },
	{ "gpt-5.3-codex", FORM_CHAT, FORM_RESPONSES, "{'reasoning_effort':'none'," CHAT "}", "'reasoning':{'effort':'none'}", NULL, NULL },
	{ "claude-opus-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'xhigh'," CHAT "}", "'thinking':{'type':'adaptive'},'output_config':{'effort':'xhigh'}", NULL, NULL },
	{ "claude-opus-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'none'," CHAT "}", "'thinking':{'type':'disabled'}", NULL, NULL },
	{ "claude-opus-5-5", FORM_CHAT, FORM_MESSAGES, "{'reasoning_effort':'none'," CHAT "}", "'effort':'low'", "disabled", "reasoning_effort" },
	{ "us.anthropic.claude-sonnet-5-5", FORM_CHAT, FORM_CONVERSE, "{'reasoning_effort':'minimal'," CHAT "}", "'effort':'low'", NULL, NULL },
	{ "gemini-3.8-flash", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'minimal'," CHAT "}", "'thinkingLevel':'LOW'", NULL, NULL },
	{ "gemini-3.1-pro-preview", FORM_CHAT, FORM_GENERATE, "{'reasoning_effort':'medium'," CHAT "}", "'thinkingLevel':'MEDIUM'", NULL, NULL },
	{ "claude-opus-4-8", FORM_CHAT, FORM_MESSAGES, "{'temperature':0.7," CHAT "}", "'messages'", "temperature", "temperature" },
	{ "claude-opus-4-8", FORM_CHAT, FORM_MESSAGES, "{'temperature':1,'top_p':1," CHAT "}", "'messages'", "'top_p'", NULL },
	{ "claude-opus-4-8", FORM_CHAT, FORM_MESSAGES, "{'temperature':0,'reasoning_effort':'high'," CHAT "}", "'thinking':{'type':'adaptive'}", "temperature", "temperature" },
	{ "us.anthropic.claude-opus-4-7-v1:0", FORM_GENERATE, FORM_CONVERSE, "{'generationConfig':{'topP':0.5}," GEMINI "}", "'messages'", "topP", "generationConfig.topP" },
	{ "claude-sonnet-5-5", FORM_GENERATE, FORM_MESSAGES, "{'generationConfig':{'topK':5}," GEMINI "}", "'messages'", "top_k", "generationConfig.topK" },
	{ "claude-opus-4-6", FORM_CHAT, FORM_MESSAGES, "{'temperature':0.7," CHAT "}", "'temperature':0.7", NULL, NULL },
	{ "gpt-5-mini", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9,'temperature':0.7," CHAT "}", "'messages'", "temperature", "temperature" },
	{ "o3", FORM_MESSAGES, FORM_RESPONSES, "{'max_tokens':9,'top_p':0.7," CHAT "}", "'input'", "top_p", "top_p" },
	{ "gpt-5.2", FORM_MESSAGES, FORM_CHAT, "{'max_tokens':9,'temperature':0.7," CHAT "}", "'temperature':0.7", NULL, NULL },
	{ "gemini-3-pro-preview", FORM_CHAT, FORM_GENERATE, "{'temperature':0.7," CHAT "}", "'temperature':0.7", NULL, NULL },
	{ "of-my-own", FORM_MESSAGES, FORM_RESPONSES, "{'max_tokens':9," CHAT ",'thinking':{'type':'adaptive'},'output_config':{'effort':'max'}}",
		"'reasoning':{'effort':'xhigh'}", NULL, NULL },
};
/* clang-format on */

static char *
double_quoted(const char *row)
{
	char *s = strdup(row ? row : "");

	for (char *c = s; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return s;
}

static void
effort_is_written_as_the_model_accepts_it(void **state)
{
	struct arena models;
	struct diag d;

	(void)state;
	arena_init(&models, 0, false);
	diag_init(&d);
	const struct token_models *m = models_load(&models, NULL, &d);
	if (!m)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *in = double_quoted(rows[i].in), *has = double_quoted(rows[i].has),
		     *has_not = double_quoted(rows[i].has_not);
		struct translated_request made;
		struct arena a;
		struct buf out;
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		const struct translate_ask ask = { .from = rows[i].from,
			.to = rows[i].to,
			.body = span_str(in),
			.model = span_str(rows[i].model),
			.cap_tokens = 64000,
			.effort = model_size_of(m, span_str(rows[i].model)).effort,
			.fixed_sampling = model_size_of(m, span_str(rows[i].model)).fixed_sampling };
		int err = translate_request(&ask, &a, &out, &made);
		struct span got = buf_view(&out);
		const char *left = made.ndropped ? made.dropped[0] : "";
		if (err || !memmem(got.p, got.n, has, strlen(has)) ||
			(*has_not && memmem(got.p, got.n, has_not, strlen(has_not))) ||
			strcmp(left, rows[i].left_out ? rows[i].left_out : ""))
			fail_msg("%s %s: %d %.*s, left out: %s", rows[i].model, in, err, SPAN_ARG(got), left);
		free(in);
		free(has);
		free(has_not);
		buf_free(&out);
		arena_reset(&a);
	}
	diag_free(&d);
	arena_reset(&models);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		effort_is_written_as_the_model_accepts_it) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
