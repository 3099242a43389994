/* Equal input and version give equal decisions: on any thread, after any reload, whatever the
 * order of keys and the division into files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/codec/yaml.h"
#include "base/err.h"
#include "gate/snapshot.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/verdict/decide.h"
#include "support/temp_dir.h"

enum { PEOPLE = 24, THREADS = 4, ROUNDS = 6, LAYOUTS = 3 };

static const char *const classes[] = { "  zeta: [PERSON, EMAIL_ADDRESS]\n",
	"  alpha: [EMAIL_ADDRESS, US_SSN]\n", "  mid: [US_SSN]\n" };
static const char *const rules[] = {
	"  - {name: first, when: 'prompt.classes.size() > 0 && prompt.classes[0] == \"zeta\"', "
	"redact: {classes: [zeta]}}\n",
	"  - {name: row, when: 'has(data.people.level) && data.people.level > 2', deny: "
	"{status: 451}}\n",
	"  - {name: fails, when: 'data.people.odd == 1', deny: true, on_error: skip}\n",
	"  - {name: hours, when: 'now.getHours() % 2 == 1 && \"US_SSN\" in prompt.entities', "
	"deny: {status: 403}}\n",
	"  - {name: all, when: 'identity.clearance < 2', redact: {entities: [US_SSN]}}\n",
};
#define NRULES (sizeof(rules) / sizeof(rules[0]))

static FILE *
file(const char *name)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	return f;
}

/* One meaning in three layouts. */
static void
write_layout(unsigned layout)
{
	FILE *p = file("policy.yaml"), *a = file("a.yaml"), *b = file("b.yaml");
	FILE *people = file("people.yaml");

	fprintf(p, "tollgate: 1\nname: t\n");
	if (layout == 1)
		fprintf(p, "include: [a.yaml, b.yaml]\n");
	if (layout == 2)
		fprintf(p, "# the same\n\ninclude:\n  - b.yaml\n");
	fprintf(layout ? b : p, "routes: [{name: r, match: {path: /x}, backend: b}]\n"
				"data: {people: {file: people.yaml, key: identity.person}}\n");
	fprintf(layout == 1 ? a : p, "classes:\n");
	for (size_t i = 0; i < 3; i++)
		fputs(classes[(i + layout) % 3], layout == 1 ? a : p);
	fprintf(layout == 1 ? a : p, "rules:\n");
	for (size_t i = 0; i < NRULES - 1; i++)
		fputs(rules[i], layout == 1 ? a : p);
	fprintf(p, layout == 1 ? "rules:\n%s" : "%s", rules[NRULES - 1]);
	fprintf(p, "default: permit\n");
	for (unsigned i = 0; i < PEOPLE; i++)
		fprintf(people, "p%u: {level: %u%s}\n", i, i % 5, i % 3 ? "" : ", odd: 1");
	fclose(p);
	fclose(a);
	fclose(b);
	fclose(people);
}

static struct snapshot *
load(unsigned layout)
{
	struct diag d;

	write_layout(layout);
	diag_init(&d);
	struct snapshot *s = snapshot_load(NULL, path("policy.yaml"), 1, NULL, &d);
	if (!s)
		fail_msg("%.*s", SPAN_ARG(buf_view(&d.text)));
	diag_free(&d);
	return s;
}

struct answer {
	enum rule_effect effect;
	int status;
	char rule[16];
	struct entity_set redact;
};

static void
ask(const struct snapshot *s, unsigned i, struct answer *out)
{
	static const char *const entities[] = { "PERSON", "EMAIL_ADDRESS", "US_SSN" };
	struct entity_set found = { { 0 } };
	char person[8];
	struct arena a;
	struct policy_verdict v;
	int n = snprintf(person, sizeof(person), "p%u", i);
	struct identity id = {
		.method = "jwt", .person = span_of(person, (size_t)n), .clearance = i % 4
	};

	arena_init(&a, 0, false);
	for (unsigned e = 0; e < 3; e++) {
		int at = detect_entity_find(s->rules, span_str(entities[e]));
		if (i >> e & 1)
			found.bit[at / 64] |= 1ull << (at % 64);
	}
	struct policy_facts f = { .identity = &id,
		.route = &s->policy->routes[0],
		.whole = true,
		.entities = &found,
		.rules = s->rules,
		.now_wall_ns = (int64_t)i * 3600 * 1000000000 };
	memset(out, 0, sizeof(*out));
	INVARIANT(policy_decide(s->policy, &f, &a, &v) == 0);
	out->effect = v.ruled.effect;
	out->status = v.ruled.status;
	snprintf(out->rule, sizeof(out->rule), "%s", v.ruled.rule ? v.ruled.rule->name : "");
	out->redact = v.redact.of;
	arena_reset(&a);
}

/* ---- threads decide while main reloads ---- */

static struct answer want[PEOPLE];
static struct snapshot *in_force;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool stop;
static _Atomic unsigned wrong, asked;

static void *
decide(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		pthread_mutex_lock(&lock);
		struct snapshot *s = snapshot_ref(in_force);
		pthread_mutex_unlock(&lock);
		for (unsigned i = 0; i < PEOPLE; i++) {
			struct answer got;
			ask(s, i, &got);
			wrong += memcmp(&got, &want[i], sizeof(got)) != 0;
			asked++;
		}
		snapshot_unref(&s);
	}
	return NULL;
}

static void
equal_versions_give_equal_decisions(void **state)
{
	pthread_t t[THREADS];
	char version[65];
	unsigned effects = 0;

	(void)state;
	in_force = load(0);
	memcpy(version, in_force->policy->version, sizeof(version));
	for (unsigned i = 0; i < PEOPLE; i++) {
		ask(in_force, i, &want[i]);
		effects |= 1u << want[i].effect;
	}
	assert_int_equal(effects, 1u << RULE_DENY | 1u << RULE_PERMIT | 1u << RULE_REDACT);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, decide, NULL), 0);
	for (unsigned round = 1; round <= ROUNDS || asked < PEOPLE * THREADS; round++) {
		struct snapshot *next = load(round % LAYOUTS), *old;
		assert_string_equal(next->policy->version, version);
		pthread_mutex_lock(&lock);
		old = in_force;
		in_force = next;
		pthread_mutex_unlock(&lock);
		snapshot_unref(&old);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(wrong, 0);
	assert_true(asked >= PEOPLE * THREADS);
	snapshot_unref(&in_force);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(
		equal_versions_give_equal_decisions) };

	return cmocka_run_group_tests_name(
		"policy property", tests, temp_dir_make, temp_dir_remove);
}
