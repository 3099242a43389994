/* Reads transcribers: services that write down the speech in sounds. None is asked while a
 * policy is read. */
#include <unistd.h>

#include "base/caps.h"
#include "base/fetch/http_client.h"
#include "policy/build.h"
#include "policy/policy.h"
#include "policy/transcriber.h"

static void
make_transcriber(
	struct builder *b, const struct yaml_node *n, struct transcriber *t, size_t before)
{
	const struct yaml_node *c;
	const char *why;
	bool reads_body = false;

	*t = (struct transcriber){ .name = "",
		.at = n,
		.url = "",
		.deadline_us = 20 * SECOND_US,
		.concurrency = 2,
		.max_s = 600,
		.breaker_failures = 5,
		.breaker_open_us = 10 * SECOND_US,
		.cached = true };
	if (!build_section(b, n, SECTION_TRANSCRIBER, t))
		return;
	build_own_name(b, n, 64, &t->name, b->p->transcribers, before, sizeof(*t));
	c = read_needed(b->d, n, n, NULL, "url");
	if (c && read_text(b->d, c, "url", &t->url) && (why = http_url_check(t->url)))
		diag_at(b->d, c, "url: %s", why);
	if ((c = yaml_get(n, "token_file")))
		t->authorization = build_bearer(b, c);
	if (t->ca_file && access(t->ca_file, R_OK) < 0)
		diag_at(b->d, yaml_get(n, "ca_file"), "ca_file: %s: cannot be read",
			t->ca_file);
	if ((c = yaml_get(n, "when")))
		t->when = build_condition(b, c, &reads_body);
	if (t->when && build_reads_target(t->when))
		diag_at(b->d, c, "when: target is not known before a sound is transcribed");
}

void
build_transcribers(struct builder *b, const struct yaml_node *n)
{
	struct transcriber *list = build_list(b, n, "transcribers", sizeof(*list));

	if (!list)
		return;
	b->p->transcribers = list;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (b->p->ntranscribers == CAP_TRANSCRIBERS) {
			diag_at(b->d, c, "more than %d transcribers", CAP_TRANSCRIBERS);
			return;
		}
		make_transcriber(b, c, &list[b->p->ntranscribers], b->p->ntranscribers);
		b->p->ntranscribers++;
	}
}
