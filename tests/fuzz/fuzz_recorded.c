/* Any bytes as a decision's record: read back or refused. A record that is read back decides
 * and explains itself as JSON, with the same result twice. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "cmd/records/recorded.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
	"tollgate: 1\nname: t\ndefault: permit\n"
	"routes: [{name: chat, match: {path: /v1/chat/completions}, backend: b}]\n"
	"classes: {injection: {score: 0.9}}\n"
	"rules:\n"
	"  - {name: a, when: 'has(identity.attributes.x) && identity.attributes.x.y == 1', "
	"deny: true, on_error: skip}\n"
	"  - {name: b, when: '\"r\" in identity.roles && now.getHours() < 6', deny: true}\n"
	"  - {name: c, when: '\"injection\" in prompt.classes', deny: {status: 451}}\n"
	"  - {name: d, when: 'has(request.seed) && request.seed > 1.0', deny: true}\n"
	"  - {name: e, when: 'model.name.startsWith(\"g\") || prompt.media.size() > 1', "
	"permit: "
	"true}\n"
	"  - {name: f, when: '\"US_SSN\" in prompt.entities', redact: {classes: [pii]}}\n";

static const struct policy_alone *
policy(void)
{
	static struct policy_alone p;
	struct diag d;
	struct buf errors;

	if (p.p)
		return &p;
	buf_init(&errors, 0);
	diag_init(&d);
	arena_init(&p.a, 0, false);
	p.rules = detect_load(NULL, &errors);
	INVARIANT(p.rules != NULL);
	const struct yaml_node *root = yaml_load(&p.a, "t.yaml", span_str(text), &d);
	INVARIANT(root != NULL);
	p.p = policy_compile(&p.a, root, "t.yaml", NULL, p.rules, &d);
	INVARIANT(p.p != NULL);
	p.version = p.p->version;
	return &p;
}

static void
tell(json_t *record, struct arena *a, struct buf *out)
{
	struct recorded *r = arena_new(a, struct recorded);
	struct policy_verdict *v = arena_new(a, struct policy_verdict);
	const char *unsure;

	if (!r || !v || !recorded_read(r, record, policy(), a) ||
		recorded_decide(r, policy(), a, v, &unsure))
		return;
	json_t *o = policy_explain(policy()->p, &r->facts, v, &r->missing, a);
	INVARIANT(o != NULL);
	char *told = json_dumps(o, JSON_COMPACT);
	INVARIANT(told != NULL);
	buf_str(out, told);
	free(told);
	json_decref(o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *record = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
	struct buf out[2];
	struct arena a;

	if (!record)
		return 0;
	for (int i = 0; i < 2; i++) {
		buf_init(&out[i], 0);
		arena_init(&a, 64 << 20, false);
		tell(record, &a, &out[i]);
		arena_reset(&a);
	}
	INVARIANT(span_eq(buf_view(&out[0]), buf_view(&out[1])));
	buf_free(&out[0]);
	buf_free(&out[1]);
	json_decref(record);
	return 0;
}
