/* tollgate credential try: exchanges a caller's token as the daemon would, and prints each
 * step. The daemon's part is gate/auth/caller_token.c; form and checks are the same functions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/codec/jws.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/keyfile.h"
#include "cmd/cmd.h"
#include "gate/auth/caller_claims.h"
#include "gate/auth/material.h"
#include "policy/config/config.h"

enum { ANSWER_MOST = 64 << 10, FORM_MOST = 64 << 10, FILE_MOST = 16 << 10 };

struct trial {
	const struct provider_credential *c;
	struct span subject;
	int code;
};

/* Prints the claims of a JWT, without its signature. Of another token, prints that it is none. */
static void
print_claims(const char *whose, struct span token)
{
	struct jws j = { .header = NULL };
	const char *why;

	SCOPED_ARENA(a, 8 * ANSWER_MOST, true);
	if (credential_shape(token) == SHAPE_TOKEN && !jws_parse(token, &a, &j, &why)) {
		char *text = json_dumps(j.payload, JSON_COMPACT | JSON_ENSURE_ASCII);
		printf("%s: %s\n", whose, text ? text : "out of memory");
		free(text);
	} else {
		printf("%s: not a JWT, so that only the server can read it\n", whose);
	}
	jws_clear(&j);
}

static void
print_token(struct trial *t, const struct http_answer *got, const json_t *body)
{
	struct token_answer token;
	struct caller_token_facts facts;
	const char *why = NULL;
	char ends[CLOCK_RFC3339_LEN];

	SCOPED_ARENA(a, 4 * ANSWER_MOST, true);
	if (token_answer(got->body, &a, &token, &why)) {
		printf("refused: %s\n", why);
		return;
	}
	print_claims("the returned token", token.token);
	why = caller_claims_wrong(
		t->c, t->subject, &token, body, clock_wall_ns() / 1000000000, &facts);
	if (why) {
		printf("refused: %s\n", why);
		return;
	}
	clock_rfc3339(facts.ends_s * 1000000000, ends);
	printf("person, audience, scope and life fit; the token ends at %s\n", ends);
	t->code = EXIT_DONE;
}

static void
on_trial_answer(void *arg, const struct http_answer *got)
{
	struct trial *t = arg;

	if (got->err) {
		printf("no response: %s\n", got->why);
		return;
	}
	json_auto_t *body = json_loadb(
		got->body.p ? got->body.p : "", got->body.n, JSON_REJECT_DUPLICATES, NULL);
	struct span error = json_span(json_object_get(body, "error")),
		    more = json_span(json_object_get(body, "error_description"));
	printf("response: status %d", got->status);
	if (error.n)
		printf(", error %.*s", SPAN_ARG(error));
	if (more.n)
		printf(": %.*s", SPAN_ARG(span_cut(more, 0, 500)));
	putchar('\n');
	if (got->status == 200 && json_is_object(body))
		print_token(t, got, body);
}

static void
print_question(const struct provider_credential *c)
{
	printf("POST %s: %s, client %s", c->url,
		c->kind == BY_ON_BEHALF ? "on behalf of (RFC 7523)"
					: "token exchange (RFC 8693)",
		c->client_id);
	if (c->audience)
		printf(", audience %s", c->audience);
	if (c->resource)
		printf(", resource %s", c->resource);
	if (c->scope)
		printf(", scope %s", c->scope);
	printf("%s\n", c->actor_file ? ", with an actor token" : "");
}

/* Sends the question, and waits for its end. */
static int
ask_endpoint(struct trial *t, struct span form)
{
	static const char *const fields[] = { "Accept: application/json",
		"Content-Type: application/x-www-form-urlencoded" };
	const struct http_call_options o = { .url = t->c->url,
		.body = form,
		.fields = fields,
		.nfields = COUNT_OF(fields),
		.ca_file = t->c->ca_file,
		.deadline_us = CALLER_ASK_US,
		.answer_bytes = ANSWER_MOST };

	return http_call_alone(&o, on_trial_answer, t);
}

static int
try_exchange(const struct provider_credential *c, const char *token_file)
{
	struct trial t = { .c = c, .code = EXIT_NO };
	struct span actor = { NULL, 0 };
	struct material m = { .key = NULL };

	SCOPED_BUF(token, FILE_MOST);
	SCOPED_BUF(agent, FILE_MOST);
	SCOPED_BUF(form, FORM_MOST);
	SCOPED_BUF(why, 0);
	int err = keyfile_text(token_file, "a token", &token, &why);
	if (!err && c->actor_file)
		err = keyfile_text(c->actor_file, "a token", &agent, &why);
	if (!err)
		err = material_read(c, &m, &why);
	if (!err) {
		t.subject = span_trim(buf_view(&token), " \t\r\n");
		actor = span_trim(buf_view(&agent), " \t\r\n");
		print_claims("the caller's token", t.subject);
		print_question(c);
		err = token_exchange_form(c, &m, t.subject, actor, &form);
		err = err ? err : ask_endpoint(&t, buf_view(&form));
	}
	material_free(&m);
	if (form.n)
		explicit_bzero(form.p, form.n);
	return err ? cmd_failed("credential", err, &why) : t.code;
}

int
cmd_credential(int argc, char **argv)
{
	const char *named = NULL, *token_file = NULL;
	const struct cmd_option options[] = { { "c", .text = &named },
		{ "token-file", .text = &token_file }, { .name = NULL } };
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);

	if (n != 2 || strcmp(operands[0], "try") != 0 || !token_file)
		return cmd_usage(argv[0]);
	SCOPED_ARENA(a, 0, false);
	const struct config *cfg = cmd_config(&a, named);
	if (!cfg)
		return EXIT_CANNOT;
	for (size_t i = 0; i < cfg->ncredentials; i++) {
		const struct provider_credential *c = &cfg->credentials[i];
		if (strcmp(c->provider, operands[1]) != 0)
			continue;
		return c->kind == BY_EXCHANGE || c->kind == BY_ON_BEHALF
			       ? try_exchange(c, token_file)
			       : cmd_fail("credential",
					 "%s has no exchange and no on_behalf_of", c->provider);
	}
	return cmd_fail("credential", "credentials does not name %s", operands[1]);
}
