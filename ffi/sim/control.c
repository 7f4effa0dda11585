/*
 * The control file, which PELLET_SIM names: lines of `key=value`, `#` begins a comment. It is read again whenever it
 * changed; counts start anew then. docs/npu.md lists the keys.
 */
#define _GNU_SOURCE
#include "simulated_npu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_ENTRIES = 128 };

typedef struct {
  const char *key, *value;
  uint64_t left; /* of a count */
} entry;

static entry entries[MOST_ENTRIES];
static size_t entry_count;
static char *content;
static struct stat seen;

static const char *const keys[] = {"chip",    "device",     "frame_us", "memory_bytes",   "core_ops",
                                   "stall",   "late_every", "late_us",  "recordings",     "seed",
                                   "open_ms", "load_ms",    "close_ms", "lost_unload_ms", "restart_ms"};
static const char *const calls[] = {"open",  "identify", "load",  "configure", "unload",
                                    "close", "priority", "start", "frame"};
static const char *const orders[] = {"fail.", "false_timeout.", "hang."};

static bool is_known(const char *key) {
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (strcmp(key, keys[i]) == 0) return true;
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    const size_t length = strlen(orders[i]);
    if (strncmp(key, orders[i], length) != 0) continue;
    for (size_t j = 0; j < sizeof calls / sizeof *calls; j++)
      if (strcmp(key + length, calls[j]) == 0) return true;
  }
  return false;
}

/* STATUS[:COUNT] of a failure, COUNT of a false timeout. Without a count: for ever. */
static uint64_t count_of(const char *key, const char *value) {
  const char *count = strncmp(key, "fail.", 5) == 0 ? strchr(value, ':') : value - 1;
  return count == NULL ? UINT64_MAX : strtoull(count + 1, NULL, 10);
}

static char *trim(char *text) {
  while (*text == ' ' || *text == '\t') text++;
  char *end = text + strlen(text);
  while (end > text && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r')) *--end = '\0';
  return text;
}

static void parse_line(char *line, const char *file) {
  char *key = trim(line);
  if (*key == '\0' || *key == '#') return;
  char *equals = strchr(key, '=');
  if (equals != NULL) *equals = '\0';
  key = trim(key);
  if (equals == NULL || !is_known(key) || entry_count == MOST_ENTRIES) {
    fprintf(stderr, "%s: expected a key of the simulated NPU and its value (frame_us=1000), found %s\n", file, key);
    return;
  }
  const char *value = trim(equals + 1);
  entries[entry_count++] = (entry){.key = key, .value = value, .left = count_of(key, value)};
}

static char *read_whole(const char *file, size_t bytes) {
  FILE *stream = fopen(file, "re");
  char *text = calloc(1, bytes + 1);
  if (stream != NULL && text != NULL && fread(text, 1, bytes, stream) < bytes) text[bytes] = '\0';
  if (stream != NULL) fclose(stream);
  return text;
}

static bool is_same(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void control_refresh(void) {
  const char *file = getenv("PELLET_SIM");
  struct stat now = {0};
  if (file == NULL || *file == '\0' || stat(file, &now) != 0) now = (struct stat){0};
  if (is_same(&now, &seen)) return;
  seen = now;
  free(content);
  entry_count = 0;
  content = now.st_ino == 0 ? NULL : read_whole(file, (size_t)now.st_size);
  char *rest = content;
  for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;) parse_line(line, file);
}

static entry *find(const char *prefix, const char *key) {
  const size_t length = strlen(prefix);
  for (size_t i = 0; i < entry_count; i++)
    if (strncmp(entries[i].key, prefix, length) == 0 && strcmp(entries[i].key + length, key) == 0) return &entries[i];
  return NULL;
}

const char *control_text(const char *key, const char *fallback) {
  const entry *found = find("", key);
  return found == NULL ? fallback : found->value;
}

uint64_t control_number(const char *key, uint64_t fallback) {
  const entry *found = find("", key);
  return found == NULL ? fallback : strtoull(found->value, NULL, 10);
}

static bool count_down(entry *found) {
  if (found == NULL || found->left == 0) return false;
  if (found->left != UINT64_MAX) found->left--;
  return true;
}

uint32_t control_failure(const char *call) {
  entry *found = find("fail.", call);
  return count_down(found) ? (uint32_t)strtoul(found->value, NULL, 10) : HAILO_SUCCESS;
}

bool control_false_timeout(const char *call) { return count_down(find("false_timeout.", call)); }

void control_wait(const char *call) {
  char key[32];
  snprintf(key, sizeof key, "%s_ms", call);
  const uint64_t since = sim_now_ns();
  sim_enter();
  for (;;) {
    control_refresh();
    const entry *hang = find("hang.", call);
    const uint64_t ms = control_number(key, 0) + (hang == NULL ? 0 : strtoull(hang->value, NULL, 10));
    const uint64_t now = sim_now_ns(), until = since + ms * 1000000;
    if (now >= until) break;
    /* In slices, since the file may let it go; the lock is given up meanwhile. */
    sim_wait_done(until < now + 20000000 ? until : now + 20000000);
  }
  sim_leave();
}

uint32_t control_begin(const char *call) {
  control_wait(call);
  sim_enter();
  const uint32_t status = control_failure(call);
  sim_leave();
  return status;
}
