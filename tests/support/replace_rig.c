/* Replaces the disk operations of base/replace.h. Each operation is logged in a file, and one
 * of them can fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/replace_rig.h"

struct replace_rig replace_rig;

static void
replace_asked(const char *what, const char *path)
{
	char line[PATH_MAX + 16];
	int n = snprintf(line, sizeof(line), "%s %s\n", what, path);
	int fd = open(replace_rig.log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		abort();
	close(fd);
}

/* Returns the path of an open file, without the suffix of a temporary file. */
static void
replace_path_of(int fd, char out[PATH_MAX])
{
	char link[64];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, out, PATH_MAX - 1);
	out[n > 0 ? n : 0] = '\0';
}

static bool
replace_fails(enum replace_step step, const char *path)
{
	size_t n = strlen(path), of = replace_rig.of ? strlen(replace_rig.of) : 0;

	if (step != replace_rig.step || n < of || strcmp(path + n - of, replace_rig.of) != 0)
		return false;
	errno = replace_rig.sys;
	return true;
}

static void
replace_stem(char *path)
{
	char *end = strstr(path, REPLACE_SUFFIX);

	if (end && !end[strlen(REPLACE_SUFFIX)])
		*end = '\0';
}

/* Writes half of the rest at each call, and fails at the last byte. */
static ssize_t
replace_rig_write(int fd, const void *p, size_t n)
{
	char path[PATH_MAX];

	replace_path_of(fd, path);
	replace_asked("write", path);
	replace_stem(path);
	if (n > 1)
		return write(fd, p, n / 2);
	return replace_fails(REPLACE_WRITE, path) ? -1 : write(fd, p, n);
}

static int
replace_rig_fsync(int fd)
{
	char path[PATH_MAX];
	struct stat st;

	replace_path_of(fd, path);
	bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	replace_asked(folder ? "folder" : "fsync", path);
	replace_stem(path);
	return (folder ? replace_fails(REPLACE_FOLDER, replace_rig.renamed)
		       : replace_fails(REPLACE_SYNC, path))
		       ? -1
		       : 0;
}

static int
replace_rig_renameat(int from, const char *a, int to, const char *b)
{
	char path[PATH_MAX], whole[PATH_MAX];

	/* The full path of an existing file, by a descriptor. */
	int fd = openat(from, a, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	replace_path_of(fd, path);
	close(fd);
	snprintf(whole, sizeof(whole), "%s", path);
	replace_stem(path);
	replace_asked("rename", whole);
	if (replace_fails(REPLACE_RENAME, path))
		return -1;
	snprintf(replace_rig.renamed, sizeof(replace_rig.renamed), "%s", path);
	return renameat(from, a, to, b);
}

void
replace_rig_begin(const char *log)
{
	snprintf(replace_rig.log, sizeof(replace_rig.log), "%s", log);
	unlink(log);
	replace_rig.step = REPLACE_NONE;
	replace_io = (struct replace_io){ replace_rig_write, replace_rig_fsync,
		replace_rig_renameat };
}

void
replace_rig_end(void)
{
	replace_rig.step = REPLACE_NONE;
	replace_io = (struct replace_io){ write, fsync, renameat };
}

unsigned
replace_rig_count(const char *of)
{
	static char lines[20000][256];
	size_t n = 0;
	unsigned count = 0;
	FILE *f = fopen(replace_rig.log, "re");

	while (f && n < 20000 && fgets(lines[n], sizeof(lines[0]), f)) {
		lines[n][strcspn(lines[n], "\n")] = '\0';
		n += n == 0 ||
		     strcmp(lines[n], lines[n - 1]) != 0; /* repeated writes count as one */
	}
	if (f)
		fclose(f);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(lines[i], "rename ", 7) != 0)
			continue;
		char *made = lines[i] + 7, name[256], folder[256];
		const char *last = "nothing";
		for (size_t k = 0; k < i; k++)
			if (!strcmp(strchr(lines[k], ' ') + 1, made))
				last = lines[k];
		if (strncmp(last, "fsync ", 6) != 0)
			fail_msg("%s: renamed after %s", made, last);
		snprintf(folder, sizeof(folder), "folder %.*s",
			(int)(strrchr(made, '/') - made), made);
		if (i + 1 == n || strcmp(lines[i + 1], folder) != 0)
			fail_msg("%s: renamed, and then %s", made,
				i + 1 == n ? "nothing" : lines[i + 1]);
		snprintf(name, sizeof(name), "%s", made);
		replace_stem(name);
		size_t len = strlen(name), end = strlen(of);
		count += len >= end && !strcmp(name + len - end, of);
	}
	return count;
}
