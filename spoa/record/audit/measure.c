/* Measures files: see measure.h. The program is read through /proc/self/exe, so its bytes are
 * those that run, even if an upgrade has replaced the file. */
#include "record/audit/measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_put.h"
#include "base/program.h"
#include "base/scoped.h"
#include "record/journal/chain.h"

#define SELF "/proc/self/exe"

const char *measure_haproxy = "/etc/haproxy/tollgate";

int
measure_file(const char *file, unsigned char hash[SHA256_BYTES], uint64_t *bytes)
{
	static const size_t piece = 256 << 10;
	SCOPED_FD(fd, open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
	struct sha256 h;
	struct stat st;
	ssize_t n;

	*bytes = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	char *buf = malloc(piece);
	if (!buf)
		return -ENOMEM;
	sha256_begin(&h);
	while ((n = read(fd, buf, piece)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0) {
			sha256_add(&h, span_of(buf, (size_t)n));
			*bytes += (uint64_t)n;
		}
	int err = n < 0 ? -errno : 0;
	sha256_end(&h, hash);
	free(buf);
	return err;
}

/* Appends one object of `measured`. If the file cannot be read, it has `why` instead of a
 * hash. */
static void
put_measured(struct buf *b, const char *what, const char *name, const char *file,
	const char *version)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	uint64_t bytes;
	int err = measure_file(file, hash, &bytes);

	json_put_form(b, "{'what':%s,'file':%t", what, span_str(name));
	if (version)
		json_put_str(b, "version", version);
	if (!err) {
		chain_hex(hash, hex);
		json_put_str(b, "sha256", hex);
		json_put_uint(b, "bytes", bytes);
	} else {
		json_put_null(b, "sha256");
		json_put_str(b, "why", strerror(-err));
	}
	json_put_close(b, '}');
}

static int
is_haproxy_file(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* Appends the files for HAProxy. Returns the number of files beyond MEASURE_FILES. */
static size_t
put_haproxy(struct buf *b)
{
	struct dirent **names = NULL;
	char file[4096];
	struct stat st;
	size_t put = 0, left = 0;
	int n = scandir(measure_haproxy, &names, is_haproxy_file, alphasort);

	if (n < 0 && errno != ENOENT) /* the folder itself is listed, with the reason */
		put_measured(b, "haproxy", measure_haproxy, measure_haproxy, NULL);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", measure_haproxy, names[i]->d_name);
		bool regular = stat(file, &st) == 0 && S_ISREG(st.st_mode);
		if (regular && put < MEASURE_FILES) {
			put_measured(b, "haproxy", file, file, NULL);
			put++;
		} else if (regular) {
			left++;
		}
		free(names[i]);
	}
	free(names);
	return left;
}

void
measure_put(struct buf *b, const struct config *cfg, const char *policy_version)
{
	char id[PROGRAM_BUILD_ID], program[4096] = SELF;
	ssize_t n = readlink(SELF, program, sizeof(program) - 1);

	if (n > 0)
		program[n] = '\0';
	json_put_str(b, "commit", program_commit());
	json_put_str(b, "build_id", program_build_id(id));
	json_put_open(b, "measured", '[');
	put_measured(b, "program", program, SELF, NULL);
	if (cfg->file)
		put_measured(b, "config", cfg->file, cfg->file, NULL);
	if (cfg->policy)
		put_measured(b, "policy", cfg->policy, cfg->policy, policy_version);
	size_t left = put_haproxy(b);
	json_put_close(b, ']');
	if (left)
		json_put_uint(b, "unmeasured", left);
}
