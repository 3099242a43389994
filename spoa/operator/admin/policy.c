/* GET /policy: what is in force. What tries a text is a child's (reads.c). */
#include "operator/admin/policy.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json_put.h"
#include "base/scoped.h"
#include "operator/server/server.h"
#include "policy/section.h"
#include "policy/verdict/explain.h"

enum { TEXT_MAX = 1 << 20 };

static void
put_rules(struct buf *out, const struct policy *p)
{
	json_put_open(out, "rules", '[');
	for (size_t i = 0; i < p->nall_rules; i++) {
		const struct rule *r = &p->rules[i];
		json_put_open(out, NULL, '{');
		json_put_opt(out, "name", r->name);
		json_put_str(out, "phase", phase_words[r->phase]);
		json_put_str(out, "effect", rule_effect_name(r->effect));
		json_put_bool(out, "shadow", r->shadow);
		json_put_opt(out, "when", r->when_text);
		json_put_uint(out, "line", r->at ? r->at->line : 0);
		json_put_close(out, '}');
	}
	json_put_close(out, ']');
}

/* The policy's own file as it is now: *newer, it was written after what is in force was read.
 */
static void
put_policy_text(struct buf *out, const struct policy *p, int64_t in_force_ns)
{
	struct stat st;

	SCOPED_BUF(text, TEXT_MAX);
	json_put_opt(out, "file", p->file);
	bool is = stat(p->file, &st) == 0;
	json_put_bool(out, "text_is_newer",
		is && (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec >
				in_force_ns);
	if (buf_regular_file(&text, p->file) && !buf_failed(&text)) {
		json_put_text(out, "text", buf_view(&text));
	} else {
		json_put_null(out, "text");
		json_put_str(out, "text_why",
			buf_failed(&text) ? "longer than 1 MB" : strerror(errno));
	}
}

void
admin_policy(struct server *s, struct buf *out)
{
	SCOPED_SNAPSHOT(snap, s);
	const struct policy *p = snap->policy;

	pthread_mutex_lock(&s->reloading.lock);
	int64_t since_ns = s->reloading.in_force_ns;
	pthread_mutex_unlock(&s->reloading.lock);
	json_put_open(out, NULL, '{');
	json_put_opt(out, "policy", p->label);
	json_put_opt(out, "name", p->name);
	json_put_opt(out, "version", p->version);
	json_put_time(out, "since", since_ns);
	json_put_str(out, "mode", p->shadow ? "shadow" : "enforce");
	json_put_str(out, "default", p->default_permit ? "permit" : "deny");
	json_put_opt(
		out, "shadow_policy", snap->shadow_policy ? snap->shadow_policy->label : NULL);
	json_put_open(out, "routes", '[');
	for (size_t i = 0; i < p->nroutes; i++)
		json_put_opt(out, NULL, p->routes[i].name);
	json_put_form(out, "],'limits':[");
	for (size_t i = 0; i < p->nlimits; i++)
		json_put_opt(out, NULL, p->limits[i].name);
	json_put_close(out, ']');
	put_rules(out, p);
	put_policy_text(out, p, since_ns);
	buf_str(out, "}\n");
}
