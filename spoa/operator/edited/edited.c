/* Compares the policy's files on disk with the recorded files of the policy in force. A watch
 * on the files causes each comparison. */
#include "operator/edited/edited.h"

#include <string.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/watch.h"
#include "policy/config/config.h"
#include "policy/config/include.h"
#include "policy/differences.h"

enum { WHAT_BYTES = 4096 };

static void
put_difference(struct buf *out, const char *part, const char *text)
{
	buf_printf(out, "%s%s%s", out->n ? "; " : "", part, text);
}

/* Appends the differences in the policy at `named`, and adds the names of its files to *files.
 */
static void
compare_trees(const struct file_set *in_force, const char *named, struct buf *files,
	struct buf *out)
{
	struct differences found = { .n = 0 };

	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(was);
	SCOPED_DIAG(is);
	file_set_from(in_force, SET_AS_LOADED);
	const struct yaml_node *before = policy_tree(&a, named, &was);
	file_set_from(NULL, SET_AS_LOADED);
	const struct yaml_node *after = policy_tree(&a, named, &is);
	buf_span(files, buf_view(&was.files));
	if (!after) {
		struct span text = buf_view(&is.text);
		SCOPED_BUF(first, 0);
		buf_span(&first, span_next(&text, '\n'));
		buf_putc(&first, '\0');
		put_difference(out, "the file cannot be loaded: ", buf_view(&first).p);
	} else if (policy_differences(&a, before, after, &found) && found.n) {
		put_difference(out, "", "");
		policy_differences_print(&found, out);
	}
}

static bool
same_on_disk(const struct set_file *f)
{
	SCOPED_BUF(text, 0);
	return buf_regular_file(&text, f->name) && span_eq(buf_view(&text), f->text);
}

/* Compares all files. Differences in a policy are reported by entry. Files that are not part of
 * a policy's tree (dictionaries, prices, detection rules, tollgate.yaml) are reported by name.
 */
void
edited_differences(const struct file_set *in_force, const char *policy, const char *shadow,
	struct buf *out)
{
	SCOPED_BUF(trees, 0);
	compare_trees(in_force, policy, &trees, out);
	if (shadow) {
		SCOPED_BUF(of_shadow, 0);
		compare_trees(in_force, shadow, &trees, &of_shadow);
		buf_putc(&of_shadow, '\0');
		if (of_shadow.n > 1)
			put_difference(out, "shadow policy: ", buf_view(&of_shadow).p);
	}
	for (size_t i = 0; i < in_force->n && out->n < WHAT_BYTES / 2; i++) {
		const struct set_file *f = &in_force->v[i];
		if (f->text.p && f->kind != FILE_BUILT_IN && f->kind != FILE_OF_SYSTEM &&
			!diag_names(buf_view(&trees), span_str(f->name)) && !same_on_disk(f))
			put_difference(out, "file ", f->name);
	}
}

static void
on_edit(void *arg, const char *file)
{
	struct edited *e = TAGGED(edited, arg);

	SCOPED_BUF(what, 0);
	edited_differences(e->in_force, e->policy, e->shadow, &what);
	struct span text = span_cut(buf_view(&what), 0, WHAT_BYTES);
	SCOPED_LOCK(&e->lock);
	bool was = e->since_ns != 0;
	e->since_ns = !text.n ? 0 : was ? e->since_ns : clock_wall_ns();
	buf_clear(&e->what);
	buf_span(&e->what, text);
	if (text.n)
		log_event(LOG_WARN, "policy.differs", LS("file", file), LSP("what", text));
	else if (was)
		log_event(LOG_INFO, "policy.same", LS("file", file));
}

void
edited_look(struct edited *e)
{
	if (e->in_force)
		on_edit(e, e->policy);
}

int
edited_init(struct edited *e, struct ev_loop *loop)
{
	TAG(edited, e);
	pthread_mutex_init(&e->lock, NULL);
	buf_init(&e->what, 0);
	arena_init(&e->names, 0, false);
	e->watch = watch_new(loop, on_edit, e);
	return e->watch ? 0 : ERR_NOMEM;
}

void
edited_free(struct edited *e)
{
	watch_free(&e->watch);
	buf_free(&e->what);
	arena_reset(&e->names);
	pthread_mutex_destroy(&e->lock);
}

void
edited_nothing(struct edited *e)
{
	watch_nothing(e->watch);
	e->in_force = NULL;
	SCOPED_LOCK(&e->lock);
	e->since_ns = 0;
	buf_clear(&e->what);
}

void
edited_compare(struct edited *e, struct span files, const struct file_set *in_force,
	const struct config *cfg, int64_t read_ns)
{
	edited_nothing(e);
	arena_reset(&e->names);
	e->policy = arena_strdup(&e->names, cfg->policy);
	e->shadow = cfg->shadow_policy ? arena_strdup(&e->names, cfg->shadow_policy) : NULL;
	if (!e->policy)
		return;
	e->in_force = in_force;
	if (!watch_files(e->watch, files, false, read_ns))
		log_event(LOG_WARN, "reload.unwatched",
			LS("why", "the policy has more files than the daemon watches: edits of "
				  "the last files are not reported"));
}

int64_t
edited_since(struct edited *e, struct buf *what)
{
	SCOPED_LOCK(&e->lock);
	if (e->since_ns && what)
		buf_span(what, buf_view(&e->what));
	return e->since_ns;
}
