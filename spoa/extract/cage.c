/* The cage: what a tool that reads a hostile file sees of the machine. namespaces(7),
 * pivot_root(2), mount_setattr(2). All of it is set up by the child itself, which is process 1
 * of its PID namespace: who kills it kills all. */
#include "extract/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scoped.h"
#include "extract/filter.h"
#include "extract/frame.h"

enum {
	OUTSIDE = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		  CLONE_NEWUTS | CLONE_NEWCGROUP,
	NOBODY = 65534,
	CAPS_MOST = 63,
};

/* Where the new root is laid out: a folder that every machine has; what is in it is not seen.
 */
#define LAYOUT "/tmp"

/* Says which step failed, and ends. */
static _Noreturn void
cage_failed(int out, const char *step)
{
	SCOPED_BUF(why, 0);
	SCOPED_BUF(b, 0);

	buf_printf(&why, "%s: %s", step, strerror(errno));
	frame_put_text(&b, FRAME_CAGE, 0, buf_view(&why));
	if (write(out, b.p + b.start, b.n) < 0)
		_exit(2);
	_exit(1);
}

static bool
write_proc(const char *file, const char *text)
{
	SCOPED_FD(fd, open(file, O_WRONLY | O_CLOEXEC));
	size_t n = strlen(text);

	return fd >= 0 && write(fd, text, n) == (ssize_t)n;
}

/* Inside it is nobody, whoever it is outside (user_namespaces(7)). */
static const char *
map_nobody(uid_t uid, gid_t gid)
{
	char line[64];

	if (!write_proc("/proc/self/setgroups", "deny"))
		return "/proc/self/setgroups";
	snprintf(line, sizeof(line), "%d %u 1", NOBODY, uid);
	if (!write_proc("/proc/self/uid_map", line))
		return "/proc/self/uid_map";
	snprintf(line, sizeof(line), "%d %u 1", NOBODY, gid);
	return write_proc("/proc/self/gid_map", line) ? NULL : "/proc/self/gid_map";
}

/* A folder of the machine, as it is, to be read alone. */
static bool
bind_folder(const char *from, const char *to)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };

	return mkdir(to, 0755) == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0 &&
	       syscall(SYS_mount_setattr, AT_FDCWD, to, AT_RECURSIVE, &attr, sizeof(attr)) == 0;
}

/* /lib and the like: links into /usr, or folders of their own on older machines. */
static bool
bind_like_root(const char *name)
{
	char from[32], to[64], link[64];

	snprintf(from, sizeof(from), "/%s", name);
	snprintf(to, sizeof(to), LAYOUT "/%s", name);
	ssize_t n = readlink(from, link, sizeof(link) - 1);
	if (n < 0)
		return errno == ENOENT || (errno == EINVAL && bind_folder(from, to));
	link[n] = 0;
	return symlink(link, to) == 0;
}

static const char *
make_root(const struct cage *c)
{
	static const char *const like_root[] = { "lib", "lib64", "bin" };

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "making mounts private";
	/* opened before it is covered: it may be below LAYOUT */
	int tools = c->tools ? open(c->tools, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (c->tools && tools < 0)
		return c->tools;
	if (mount("tmpfs", LAYOUT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    "size=64k,nr_inodes=32,mode=755") < 0)
		return "mounting an empty root";
	if (!bind_folder("/usr", LAYOUT "/usr"))
		return "mounting /usr";
	for (size_t i = 0; i < COUNT_OF(like_root); i++)
		if (!bind_like_root(like_root[i]))
			return like_root[i];
	char from[64];
	snprintf(from, sizeof(from), "/proc/self/fd/%d", tools);
	if (tools >= 0 && !bind_folder(from, LAYOUT CAGE_TOOLS))
		return "mounting --tools";
	if (chdir(LAYOUT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return "pivot_root";
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return "leaving the machine's root";
	if (mount(NULL, "/", NULL,
		    MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		    NULL) < 0)
		return "making the root read-only";
	return NULL;
}

static const char *
drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "no_new_privs";
	for (unsigned long cap = 0; cap <= CAPS_MOST; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return "dropping a capability for good";
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return "dropping ambient capabilities";
	return syscall(SYS_capset, &head, none) < 0 ? "dropping capabilities" : NULL;
}

/* Of process 1 and of what it starts; a tool has fewer still (extract/tool.c). */
static const char *
set_limits(void)
{
	static const struct {
		__rlimit_resource_t what;
		rlim_t most;
	} limits[] = {
		{ RLIMIT_AS, EXTRACT_ADDRESS_SPACE },
		{ RLIMIT_FSIZE, 0 },
		{ RLIMIT_CORE, 0 },
		{ RLIMIT_NOFILE, 16 },
		{ RLIMIT_NPROC, 4 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_CPU, EXTRACT_OCR_CPU_S + 2 },
	};

	/* whoever waits for a decision comes first */
	if (setpriority(PRIO_PROCESS, 0, 10) < 0)
		return "priority";
	for (size_t i = 0; i < COUNT_OF(limits); i++) {
		struct rlimit r = { limits[i].most, limits[i].most };
		if (setrlimit(limits[i].what, &r) < 0)
			return "limits";
	}
	return NULL;
}

static void
only_these(int document, int out, int nothing)
{
	const int from[] = { document, nothing, nothing, out };
	int high[COUNT_OF(from)];

	/* above all of them first: none is where another goes */
	for (size_t i = 0; i < COUNT_OF(from); i++)
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
	for (size_t i = 0; i < COUNT_OF(from); i++)
		if (high[i] < 0 || dup3(high[i], (int)i, i > 2 ? O_CLOEXEC : 0) < 0)
			_exit(2);
	if (close_range(COUNT_OF(from), ~0u, 0) < 0)
		_exit(2);
}

static _Noreturn void
caged(const struct cage *c, uid_t uid, gid_t gid, cage_main *begin, void *order)
{
	const char *failed;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if ((failed = map_nobody(uid, gid)) || (failed = make_root(c)) ||
		(failed = set_limits()) || (failed = drop_capabilities()) ||
		(failed = filter_load(FILTER_JOB)))
		cage_failed(CAGE_OUT, failed);
	begin(order);
	_exit(0);
}

pid_t
cage_start(const struct cage *c, int document, int out, cage_main *begin, void *order)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t pid = (pid_t)syscall(SYS_clone, OUTSIDE | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		only_these(document, out, c->nothing);
		caged(c, uid, gid, begin, order);
	}
	return pid;
}
