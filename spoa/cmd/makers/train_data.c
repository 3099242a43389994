/* Reading labelled texts: JSON lines with "text", "label" (1 attack, 0 harmless) and,
 * where known, "family" (or "kind"), "lang" and "source". */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/makers/train.h"

/* Families that several writers named differently. */
static const struct {
	const char *from, *to;
} same_family[] = {
	{ "neg-question", "neg-assistant" },
};

/* Harmless families that are no ordinary chat: they talk about attacks, quote them, are worded
 * like them, or are code and tables. The thresholds let more of these through. */
static const char *const hard_families[] = { "neg-about", "neg-assistant", "neg-legal",
	"neg-previous", "neg-quotation", "neg-system-prompt", "neg-teaching", "neg-translation",
	"neg-code", "neg-tables", "neg-urgent", "neg-fiction", "neg-persona", "benign_hard",
	"benign_code",
	/* long instructions for somebody */
	"neg-agent", "neg-config", "neg-exam", "neg-game", "neg-licence", "neg-mail",
	"neg-moderation", "neg-policy", "neg-prompting", "neg-recipe", "neg-role",
	"neg-runbook", "neg-spec", "neg-template" };

static const char *
family_of(struct arena *a, json_t *line)
{
	const char *f = json_string_value(json_object_get(line, "family"));

	if (!f)
		f = json_string_value(json_object_get(line, "kind"));
	if (!f)
		return "none";
	for (size_t i = 0; i < COUNT_OF(same_family); i++)
		if (!strcmp(f, same_family[i].from))
			return same_family[i].to;
	return arena_strdup(a, f);
}

static const char *
string_of(struct arena *a, json_t *line, const char *key, const char *otherwise)
{
	const char *v = json_string_value(json_object_get(line, key));

	return v ? arena_strdup(a, v) : otherwise;
}

struct train_doc *
train_new_doc(struct train_set *s)
{
	if (!mem_room(&s->doc, &s->room, s->n + 1, sizeof(*s->doc)))
		return NULL;
	s->doc[s->n] = (struct train_doc){ 0 };
	return &s->doc[s->n++];
}

/* NULL, or what is wrong with the line. */
static const char *
read_train_line(struct train_set *s, json_t *line, const char *file, const char *base)
{
	json_t *text = json_object_get(line, "text"), *label = json_object_get(line, "label");

	if (!json_is_object(line))
		return "a JSON object is expected";
	if (!json_is_string(text) || json_string_length(text) == 0)
		return "\"text\": a string that is not empty is expected";
	if (!json_is_integer(label) || json_integer_value(label) < 0 ||
		json_integer_value(label) > 1)
		return "\"label\": 1 (attack) or 0 (harmless) is expected";
	struct train_doc *d = train_new_doc(s);
	if (!d)
		return "out of memory";
	d->text =
		arena_dup(s->arena, span_of(json_string_value(text), json_string_length(text)));
	d->attack = json_integer_value(label) == 1;
	d->family = family_of(s->arena, line);
	for (size_t i = 0; i < COUNT_OF(hard_families); i++)
		d->hard |= !d->attack && d->family && !strcmp(d->family, hard_families[i]);
	d->lang = string_of(s->arena, line, "lang", "-");
	d->source = string_of(s->arena, line, "source", base);
	if (d->source && d->family)
		d->group = arena_printf(s->arena, "%s/%s", d->source, d->family).p;
	d->file = file;
	return d->text.p && d->group && d->lang ? NULL : "out of memory";
}

static int
read_train_file(struct train_set *s, const char *path, enum train_use use, struct buf *errors)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const char *file = arena_strdup(s->arena, path);
	char *base = arena_strdup(s->arena, name), *line = NULL;
	size_t room = 0;
	unsigned number = 0;
	int err = 0;
	FILE *f = fopen(path, "r");

	if (!f || !file || !base) {
		buf_printf(errors, "%s: cannot be read\n", path);
		err = ERR_IO;
	} else if (strchr(base, '.')) {
		*strchr(base, '.') = 0;
	}
	while (err == 0 && getline(&line, &room, f) > 0) {
		json_error_t e;
		number++;
		if (line[strspn(line, " \t\r\n")] == 0)
			continue;
		json_auto_t *j = json_loads(line, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
		const char *why = j ? read_train_line(s, j, file, base) : e.text;
		if (why) {
			buf_printf(errors, "%s:%u: %s\n", path, number, why);
			err = ERR_SYNTAX;
		} else {
			struct train_doc *d = &s->doc[s->n - 1];
			d->line = number;
			if (!d->attack)
				d->group =
					arena_printf(s->arena, "%s %u", d->group, number / 64)
						.p;
			s->doc[s->n - 1].use = use;
		}
	}
	free(line);
	if (f)
		fclose(f);
	return err;
}

static int
is_lines(const struct dirent *d)
{
	return span_ends(span_str(d->d_name), SPAN_LIT(".jsonl"));
}

/* In the order of bytes, whatever the locale. */
static int
data_by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int
train_read(struct train_set *s, const char *path, enum train_use use, struct buf *errors)
{
	struct dirent **names;
	struct stat st;
	char file[4096];
	int err = 0;

	if (stat(path, &st)) {
		buf_printf(errors, "%s: cannot be read\n", path);
		return ERR_IO;
	}
	if (!S_ISDIR(st.st_mode))
		return read_train_file(s, path, use, errors);
	int n = scandir(path, &names, is_lines, data_by_name);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (err == 0)
			err = read_train_file(s, file, use, errors);
		free(names[i]);
	}
	if (n < 0) {
		buf_printf(errors, "%s: cannot be read\n", path);
		return ERR_IO;
	}
	free(names);
	return err;
}
