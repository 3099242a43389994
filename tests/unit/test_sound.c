/* Lengths, channels and codecs of sounds, from files that ffmpeg made (half a second of a
 * tone), and the faults of changed ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "scan/media/sound.h"

static struct span
sound_file(struct buf *b, const char *name)
{
	char path[256];

	buf_clear(b);
	snprintf(path, sizeof(path), "tests/fuzz/seeds/sound/%s", name);
	assert_true(buf_file(b, path));
	return buf_view(b);
}

static void
read_sound(struct span bytes, struct sound *s)
{
	sound_read(bytes, file_kind_of(bytes), s);
}

static void
length_codec_and_channels_are_found(void **state)
{
	static const struct {
		const char *file, *codec;
		unsigned least, most, channels;
		enum sound_flaw flaw;
		bool film;
	} rows[] = {
		{ "mono.wav", "pcm", 500, 500, 1, SOUND_WHOLE, false },
		{ "stereo.wav", "pcm", 500, 500, 2, SOUND_WHOLE, false },
		{ "mulaw.wav", "g711", 500, 500, 1, SOUND_WHOLE, false },
		{ "adpcm.wav", "", 0, 0, 1, SOUND_CODEC, false },
		{ "mono.mp3", "mp3", 500, 600, 1, SOUND_WHOLE, false },
		{ "stereo.mp3", "mp3", 500, 600, 2, SOUND_WHOLE, false },
		{ "mono.flac", "flac", 500, 500, 1, SOUND_WHOLE, false },
		{ "mono.opus", "opus", 500, 540, 1, SOUND_WHOLE, false },
		{ "vorbis.ogg", "vorbis", 500, 500, 1, SOUND_WHOLE, false },
		{ "chained.ogg", "vorbis", 0, 0, 1, SOUND_CHAINED, false },
		/* AAC has whole frames, and one before the sound */
		{ "mono.m4a", "aac", 500, 600, 1, SOUND_WHOLE, false },
		{ "fragments.mp4", "aac", 500, 600, 1, SOUND_WHOLE, false },
		{ "two.m4a", "aac", 500, 600, 2, SOUND_STREAMS, false },
		{ "film.mp4", "aac", 500, 600, 1, SOUND_WHOLE, true },
		/* a block of 120 ms is the longest that browsers write */
		{ "mono.webm", "opus", 500, 640, 1, SOUND_WHOLE, false },
		{ "live.webm", "opus", 500, 640, 1, SOUND_WHOLE, false },
	};
	struct buf b = { 0 };
	struct sound s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		read_sound(sound_file(&b, rows[i].file), &s);
		print_message("%s: %s %u ms\n", rows[i].file, s.codec, (unsigned)s.ms);
		assert_string_equal(s.codec, rows[i].codec);
		assert_int_equal(s.flaw, rows[i].flaw);
		assert_int_equal(s.channels, rows[i].channels);
		assert_int_equal(s.film, rows[i].film);
		assert_true(s.ms >= rows[i].least && s.ms <= rows[i].most);
	}
	buf_free(&b);
}

/* Changes bytes of a file, and returns what is wrong with it then. */
static enum sound_flaw
flaw_with(const char *name, const char *before, size_t after, const char *bytes, size_t n)
{
	struct buf b = { 0 };
	struct sound s;
	struct span file = sound_file(&b, name);
	char *at = memmem(b.p + b.start, b.n, before, strlen(before));

	assert_non_null(at);
	memcpy(at + after, bytes, n);
	read_sound(file, &s);
	buf_free(&b);
	return s.flaw;
}

static void
header_that_lies_is_a_flaw(void **state)
{
	(void)state;
	/* bytes a second of WAV */
	assert_int_equal(flaw_with("mono.wav", "fmt ", 16, "\1\0\0\0", 4), SOUND_LENGTH);
	/* frames of MP3, samples of FLAC (the low half of the number), position of Opus' last
	 * page */
	assert_int_equal(flaw_with("mono.mp3", "Info", 8, "\0\0\x40\0", 4), SOUND_LENGTH);
	assert_int_equal(flaw_with("mono.flac", "fLaC", 22, "\0\x40\0\0", 4), SOUND_LENGTH);
	/* the lengths of AAC's frames: a half-second sound that states a minute, and a
	 * hundredth */
	assert_int_equal(flaw_with("mono.m4a", "stts", 16, "\0\1\0\0", 4), SOUND_LENGTH);
	assert_int_equal(flaw_with("mono.m4a", "stts", 16, "\0\0\0\1", 4), SOUND_LENGTH);
}

static void
edits_and_tags_that_hide_sound_are_flaws(void **state)
{
	(void)state;
	/* an edit list of two edits, and one that begins after ten minutes */
	assert_int_equal(flaw_with("mono.m4a", "elst", 8, "\0\0\0\2", 4), SOUND_EDITED);
	assert_int_equal(flaw_with("mono.m4a", "elst", 16, "\1\0\0\0", 4), SOUND_EDITED);
	/* an application's block of FLAC */
	assert_int_equal(flaw_with("mono.flac", "fLaC", 42, "\2", 1), SOUND_IN_TAG);
}

static void
second_chunk_of_samples_is_a_flaw(void **state)
{
	struct buf b = { 0 };
	struct sound s;

	(void)state;
	sound_file(&b, "mono.wav");
	buf_span(&b, SPAN_LIT("data\4\0\0\0abcd"));
	read_sound(buf_view(&b), &s);
	assert_int_equal(s.flaw, SOUND_STREAMS);
	buf_free(&b);
}

static void
frames_that_end_early_are_a_flaw(void **state)
{
	struct buf b = { 0 };
	struct sound s;
	struct span file = sound_file(&b, "mono.mp3");

	(void)state;
	memset(b.p + b.start + file.n - 300, 0x55, 200);
	read_sound(file, &s);
	assert_int_equal(s.flaw, SOUND_LENGTH);
	buf_free(&b);
}

static void
channel_of_wav_becomes_a_file(void **state)
{
	struct buf b = { 0 };
	struct sound s, one;
	struct span file = sound_file(&b, "stereo.wav"), got;
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	/* the second channel is silent from here on */
	read_sound(file, &s);
	for (size_t i = 0; i < s.samples.n; i += 4)
		memset((char *)s.samples.p + i + 2, 0, 2);
	for (unsigned c = 0; c < 2; c++) {
		got = sound_channel(file, &s, c, &a);
		read_sound(got, &one);
		assert_int_equal(one.flaw, SOUND_WHOLE);
		assert_int_equal(one.channels, 1);
		assert_int_equal(one.ms, s.ms);
		bool any = false;
		for (size_t i = 0; i < one.samples.n; i++)
			any |= one.samples.p[i] != 0;
		assert_int_equal(any, c == 0);
	}
	assert_null(sound_channel(file, &s, 2, &a).p);
	arena_reset(&a);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(length_codec_and_channels_are_found),
		cmocka_unit_test(header_that_lies_is_a_flaw),
		cmocka_unit_test(edits_and_tags_that_hide_sound_are_flaws),
		cmocka_unit_test(second_chunk_of_samples_is_a_flaw),
		cmocka_unit_test(frames_that_end_early_are_a_flaw),
		cmocka_unit_test(channel_of_wav_becomes_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
