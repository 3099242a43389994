/* The rule `certificates`: reports certificates that have expired or will expire soon.
 *
 * The rule reads the certificates that HAProxy loads: files and folders after `crt`, entries of
 * crt-lists and of crt-store sections, with the paths that HAProxy makes of them
 * (configuration.txt 5.1: crt, crt-list). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/codec/cert.h"
#include "base/scoped.h"
#include "operator/edge/judge_private.h"

enum {
	SOON_DAYS = 14,
	DAY_S = 86400,
	/* files for one line of the configuration; further files are not read */
	CRT_FILES_MAX = 4096,
	CRT_BYTES_MAX = 1 << 20,
	CRT_PATH = 4096,
};

struct certificates {
	struct judge *j;
	const struct haproxy_line *at;
	struct span base; /* value of crt-base; empty: none */
	size_t files;
};

static void
report_expiry(struct certificates *c, const char *file, int64_t end_s)
{
	int64_t now_s = clock_wall_ns() / 1000000000, left = end_s - now_s;
	char day[CLOCK_SECOND_LEN];

	if (left >= SOON_DAYS * DAY_S)
		return;
	clock_second(end_s * 1000000000, day);
	if (left <= 0)
		found(c->j, c->at, NULL,
			"%s: this certificate expired on %s, so clients refuse the "
			"connection: renew it and reload HAProxy",
			file, day);
	else
		found(c->j, c->at, NULL,
			"%s: this certificate expires on %s, in %lld day%s: renew it and "
			"reload HAProxy",
			file, day, (long long)(left / DAY_S), left / DAY_S == 1 ? "" : "s");
}

/* Reads one file and reports its expiry. Returns false if the file does not exist; HAProxy
 * itself refuses to start then, so this is not a finding. */
static bool
read_certificate(struct certificates *c, const char *file)
{
	int64_t end_s;

	if (c->files++ >= CRT_FILES_MAX)
		return true;
	struct stat st;

	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode))
		return true;
	SCOPED_BUF(text, CRT_BYTES_MAX);
	bool there = buf_file(&text, file);
	if (there && cert_pem_end(buf_view(&text), &end_s))
		report_expiry(c, file, end_s);
	else if (!there && errno == EACCES)
		found(c->j, c->at, NULL,
			"%s: tollgate cannot read this certificate (%s), so its expiry is "
			"unknown: run the check as a user who can read the file",
			file, strerror(errno));
	return there || errno != ENOENT;
}

static int
is_certificate(const struct dirent *e)
{
	static const char *const reserved[] = { ".key", ".issuer", ".ocsp", ".sctl" };

	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		if (span_ends(span_str(e->d_name), span_str(reserved[i])))
			return 0;
	return *e->d_name != '.';
}

/* Reads `name`, which is a file, a folder of files, or a prefix to which the key types are
 * appended (site.pem becomes site.pem.rsa). */
static void
read_crt(struct certificates *c, struct span name)
{
	static const char *const kinds[] = { ".rsa", ".ecdsa", ".dsa" };
	bool based = c->base.n && name.n && *name.p != '/';
	char path[CRT_PATH], file[CRT_PATH + 256];
	struct dirent **all;
	struct stat st;

	/* a crt-store entry; the crt-store section itself is read elsewhere */
	if (!name.n || *name.p == '@')
		return;
	snprintf(path, sizeof(path), "%.*s%s%.*s", SPAN_ARG(based ? c->base : span_of("", 0)),
		based ? "/" : "", SPAN_ARG(name));
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		bool there = read_certificate(c, path);
		for (size_t i = 0; !there && i < COUNT_OF(kinds); i++) {
			snprintf(file, sizeof(file), "%s%s", path, kinds[i]);
			read_certificate(c, file);
		}
		return;
	}
	int n = scandir(path, &all, is_certificate, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, all[i]->d_name);
		read_certificate(c, file);
		free(all[i]);
	}
	if (n >= 0)
		free(all);
}

/* Reads the files of a crt-list: the first word of each line. */
static void
read_crt_list(struct certificates *c, struct span name)
{
	SCOPED_BUF(text, CRT_BYTES_MAX);
	if (buf_file(&text, name.p))
		for (struct span rest = buf_view(&text); rest.p && rest.n;) {
			struct span line = span_trim(span_next(&rest, '\n'), " \t\r");
			size_t n = 0;
			while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t' &&
				line.p[n] != '[')
				n++;
			if (n && *line.p != '#')
				read_crt(c, span_cut(line, 0, n));
		}
}

static void
judge_line(struct judge *j, const struct haproxy_line *l, struct span base)
{
	static const char *const lines[] = { "bind", "server", "default-server",
		"server-template", "load", "ssl-f-use" };
	struct certificates c = { .j = j, .at = l, .base = base };

	for (size_t i = 1; i + 1 < l->n && SPAN_IN(l->word[0], lines); i++)
		if (span_is(l->word[i], "crt"))
			read_crt(&c, l->word[i + 1]);
		else if (span_is(l->word[i], "crt-list"))
			read_crt_list(&c, l->word[i + 1]);
}

void
rule_certificates(struct judge *j)
{
	struct span global = global_value(j->h, "crt-base");

	for (size_t i = 0; i < j->h->n; i++) {
		const struct haproxy_section *s = &j->h->section[i];
		const struct haproxy_line *own = haproxy_last(s, "crt-base", NULL);
		struct span base = own ? haproxy_word(own, 1) : global;
		for (size_t k = 0; k < s->n; k++)
			judge_line(j, &s->line[k], base);
	}
}
