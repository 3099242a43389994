/* GET /policy: what is in force. What tries a text is a child's (reads.c). */
#include "operator/admin/policy.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "operator/server/server.h"
#include "policy/verdict/explain.h"

enum { TEXT_MAX = 1 << 20 };

static void
put_policy_name(struct buf *out, const char *before, const char *text)
{
	buf_str(out, before);
	if (text)
		buf_json_str(out, span_str(text));
	else
		buf_str(out, "null");
}

static void
put_rules(struct buf *out, const struct policy *p)
{
	static const char *const phases[] = { "request", "response", "tool" };
	const size_t n = p->nrules + p->nanswer_rules + p->ntool_rules;

	buf_str(out, ",\"rules\":[");
	for (size_t i = 0; i < n; i++) {
		const struct rule *r =
			i < p->nrules ? &p->rules[i]
			: i < p->nrules + p->nanswer_rules
				? &p->answer_rules[i - p->nrules]
				: &p->tool_rules[i - p->nrules - p->nanswer_rules];
		put_policy_name(out, i ? ",{\"name\":" : "{\"name\":", r->name);
		buf_printf(out, ",\"phase\":\"%s\",\"effect\":\"%s\",\"shadow\":%s",
			phases[r->phase], rule_effect_name(r->effect),
			r->shadow ? "true" : "false");
		put_policy_name(out, ",\"when\":", r->when_text);
		buf_printf(out, ",\"line\":%u}", r->at ? r->at->line : 0);
	}
	buf_str(out, "]");
}

/* The policy's own file as it is now: *newer, it was written after what is in force was read.
 */
static void
put_policy_text(struct buf *out, const struct policy *p, int64_t in_force_ns)
{
	struct buf text;
	struct stat st;

	buf_init(&text, TEXT_MAX);
	put_policy_name(out, ",\"file\":", p->file);
	bool is = stat(p->file, &st) == 0;
	buf_printf(out, ",\"text_is_newer\":%s",
		is && (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec > in_force_ns
			? "true"
			: "false");
	if (buf_regular_file(&text, p->file) && !buf_failed(&text)) {
		buf_str(out, ",\"text\":");
		buf_json_str(out, buf_view(&text));
	} else {
		put_policy_name(out, ",\"text\":null,\"text_why\":",
			buf_failed(&text) ? "longer than 1 MB" : strerror(errno));
	}
	buf_free(&text);
}

unsigned
admin_policy(struct server *s, struct buf *out)
{
	struct snapshot *snap = server_snapshot(s);
	const struct policy *p = snap->policy;
	char when[CLOCK_RFC3339_LEN];

	pthread_mutex_lock(&s->reloading.lock);
	int64_t since_ns = s->reloading.in_force_ns;
	pthread_mutex_unlock(&s->reloading.lock);
	clock_rfc3339(since_ns, when);
	put_policy_name(out, "{\"policy\":", p->label);
	put_policy_name(out, ",\"name\":", p->name);
	put_policy_name(out, ",\"version\":", p->version);
	put_policy_name(out, ",\"since\":", when);
	put_policy_name(out, ",\"mode\":", p->shadow ? "shadow" : "enforce");
	put_policy_name(out, ",\"default\":", p->default_permit ? "permit" : "deny");
	put_policy_name(out,
		",\"shadow_policy\":", snap->shadow_policy ? snap->shadow_policy->label : NULL);
	buf_str(out, ",\"routes\":[");
	for (size_t i = 0; i < p->nroutes; i++)
		put_policy_name(out, i ? "," : "", p->routes[i].name);
	buf_str(out, "],\"limits\":[");
	for (size_t i = 0; i < p->nlimits; i++)
		put_policy_name(out, i ? "," : "", p->limits[i].name);
	buf_str(out, "]");
	put_rules(out, p);
	put_policy_text(out, p, since_ns);
	buf_str(out, "}\n");
	snapshot_unref(&snap);
	return MHD_HTTP_OK;
}
