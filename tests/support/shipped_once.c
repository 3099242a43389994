/* Loads the shipped detectors and the shipped injection model once per test program, however
 * often the code under test loads them. The detectors take 65 ms, three times that under a
 * sanitizer, and a scenario starts a gate for each test. The linker's --wrap replaces the
 * functions (see the Makefile). Detectors from a folder or with a policy's own ones are loaded
 * each time. */
#include <pthread.h>

#include "scan/detect/custom/custom.h"
#include "scan/detect/rules/rule.h"
#include "scan/inject/inject.h"

struct detect_rules *__real_detect_load_with(
	const char *dir, const struct detect_extra *extra, struct buf *errors);
struct detect_rules *__wrap_detect_load_with(
	const char *dir, const struct detect_extra *extra, struct buf *errors);
struct detect_rules *__wrap_detect_load(const char *dir, struct buf *errors);
void __real_detect_free(struct detect_rules **r);
void __wrap_detect_free(struct detect_rules **r);
const struct inject *__real_inject_load(
	struct arena *a, const char *file, struct buf *errors);
const struct inject *__wrap_inject_load(
	struct arena *a, const char *file, struct buf *errors);

/* Recursive: if a shipped file has a mistake, detect_load_with() calls detect_free(), which is
 * replaced too. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct detect_rules *shipped;
static size_t entities, holders;

/* A policy with detectors.external adds entities to its rules, which are then its own. */
static bool
is_changed(void)
{
	return detect_entity_count(shipped) != entities;
}

struct detect_rules *
__wrap_detect_load_with(
	const char *dir, const struct detect_extra *extra, struct buf *errors)
{
	struct detect_rules *r;

	if (dir || (extra && extra->n))
		return __real_detect_load_with(dir, extra, errors);
	pthread_mutex_lock(&lock);
	if (shipped && is_changed()) {
		r = __real_detect_load_with(NULL, NULL, errors);
	} else {
		if (!shipped && (shipped = __real_detect_load_with(NULL, NULL, errors)))
			entities = detect_entity_count(shipped);
		r = shipped;
		holders += r != NULL;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

struct detect_rules *
__wrap_detect_load(const char *dir, struct buf *errors)
{
	return __wrap_detect_load_with(dir, NULL, errors);
}

void
__wrap_detect_free(struct detect_rules **r)
{
	if (!*r) /* the load failed, so nothing is held */
		return;
	pthread_mutex_lock(&lock);
	if (*r != shipped || (--holders == 0 && is_changed())) {
		shipped = *r == shipped ? NULL : shipped;
		__real_detect_free(r);
	}
	*r = NULL;
	pthread_mutex_unlock(&lock);
}

const struct inject *
__wrap_inject_load(struct arena *a, const char *file, struct buf *errors)
{
	static const struct inject *model;
	static struct arena own;

	if (file)
		return __real_inject_load(a, file, errors);
	pthread_mutex_lock(&lock);
	if (!model) {
		arena_init(&own, 0, false);
		model = __real_inject_load(&own, NULL, errors);
	}
	pthread_mutex_unlock(&lock);
	return model;
}
