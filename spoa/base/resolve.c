/* Threads that wait for getaddrinfo(3): see resolve.h. */
#include "base/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/scoped.h"

/* The search for a name's addresses. It is in the list below while its thread runs, and its last
 * user frees it. */
struct lookup {
	LIST_ENTRY(lookup) of_all;
	char host[256], port[8];
	unsigned users; /* the thread, and the calls that wait */
	bool ended;
	int gai; /* result of getaddrinfo(3) */
	struct resolved found;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards everything below */
static LIST_HEAD(, lookup) lookups = LIST_HEAD_INITIALIZER(lookups);
static unsigned running;
static pthread_cond_t ended;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
ended_init(void)
{
	cond_init(&ended);
}

static int
ask_system(const char *host, const char *port, int flags, struct resolved *out)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	int gai = getaddrinfo(host, port, &hints, &list);

	out->n = 0;
	for (const struct addrinfo *a = list; !gai && a && out->n < RESOLVED_MOST;
		a = a->ai_next) {
		struct resolved_address *to = &out->at[out->n];
		if (a->ai_addrlen > sizeof(to->place))
			continue;
		memcpy(&to->place, a->ai_addr, a->ai_addrlen);
		to->length = a->ai_addrlen;
		out->n++;
	}
	if (!gai)
		freeaddrinfo(list);
	return gai;
}

/* The caller holds the lock. */
static void
leave_lookup(struct lookup *l)
{
	if (--l->users == 0)
		free(l);
}

static void *
lookup_run(void *arg)
{
	struct lookup *l = arg;
	int gai = ask_system(l->host, l->port[0] ? l->port : NULL, AI_ADDRCONFIG, &l->found);

	SCOPED_LOCK(&lock);
	l->gai = gai;
	l->ended = true;
	LIST_REMOVE(l, of_all);
	running--;
	pthread_cond_broadcast(&ended);
	leave_lookup(l);
	return NULL;
}

/* Starts a thread for the name. The caller holds the lock. */
static int
start_lookup(const char *host, const char *port, struct lookup **out)
{
	struct lookup *l = running < RESOLVING_MOST ? calloc(1, sizeof(*l)) : NULL;
	pthread_t thread;

	if (!l)
		return running < RESOLVING_MOST ? ERR_NOMEM : ERR_FULL;
	strcpy(l->host, host);
	strcpy(l->port, port);
	l->users = 1;
	if (thread_start(&thread, "tg-resolve", lookup_run, l)) {
		free(l);
		return ERR_NOMEM;
	}
	pthread_detach(thread);
	LIST_INSERT_HEAD(&lookups, l, of_all);
	running++;
	*out = l;
	return 0;
}

/* The caller holds the lock. */
static struct lookup *
find_lookup(const char *host, const char *port)
{
	struct lookup *l;

	LIST_FOREACH (l, &lookups, of_all)
		if (!strcmp(l->host, host) && !strcmp(l->port, port))
			return l;
	return NULL;
}

static int
resolve_within(const char *host, const char *port, uint64_t timeout_us, struct resolved *out,
	const char **why)
{
	const struct timespec until = clock_timespec(clock_mono_us() + timeout_us);

	pthread_once(&once, ended_init);
	SCOPED_LOCK(&lock);
	struct lookup *l = find_lookup(host, port);
	int err = l ? 0 : start_lookup(host, port, &l);
	if (err) {
		*why = err == ERR_FULL ? "too many names wait for the resolver" : err_str(err);
		return err;
	}
	l->users++;
	for (int e = 0; !l->ended && e != ETIMEDOUT;)
		e = pthread_cond_timedwait(&ended, &lock, &until);
	if (!l->ended) {
		*why = "the resolver did not answer in time";
		err = ERR_TIMEOUT;
	} else if (l->gai || !l->found.n) {
		*why = l->gai ? gai_strerror(l->gai) : "no address";
		err = ERR_NOTFOUND;
	} else {
		*out = l->found;
	}
	leave_lookup(l);
	return err;
}

int
resolve_name(const char *host, const char *port, uint64_t timeout_us, struct resolved *out,
	const char **why)
{
	*why = NULL;
	if (strlen(host) >= sizeof(((struct lookup *)0)->host) ||
		(port && strlen(port) >= sizeof(((struct lookup *)0)->port))) {
		*why = "the name is too long";
		return ERR_NOTFOUND;
	}
	if (ask_system(host, port, AI_NUMERICHOST, out) == 0 && out->n)
		return 0;
	return resolve_within(host, port ? port : "", timeout_us, out, why);
}
