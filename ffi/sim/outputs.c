/*
 * What the simulated chip computes: numbers that follow from the inputs, so that an answer which belongs to another
 * frame shows. test/support/sim-hash.ts computes the same.
 */
#include "simulated_npu.h"

#include <stdio.h>
#include <string.h>

enum { LANES = 8, BLOCK_BYTES = LANES * 4 };

static const uint32_t golden = 0x9E3779B9u, prime = 0x85EBCA6Bu;

static uint32_t mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

static void hash_block(uint32_t lanes[LANES], const uint8_t *block) {
  uint32_t words[LANES];
  memcpy(words, block, BLOCK_BYTES);
  for (int i = 0; i < LANES; i++) {
    const uint32_t product = (lanes[i] ^ words[i]) * prime;
    lanes[i] = product << 13 | product >> 19;
  }
}

uint64_t sim_hash(const uint8_t *bytes, size_t n, uint64_t seed) {
  uint32_t lanes[LANES];
  for (uint32_t i = 0; i < LANES; i++) lanes[i] = (uint32_t)(i < 4 ? seed : seed >> 32) ^ i * golden;
  size_t at = 0;
  for (; at + BLOCK_BYTES <= n; at += BLOCK_BYTES) hash_block(lanes, bytes + at);
  if (at < n) {
    uint8_t last[BLOCK_BYTES] = {0};
    memcpy(last, bytes + at, n - at);
    hash_block(lanes, last);
  }
  uint32_t low = (uint32_t)n, high = ~(uint32_t)n;
  for (int i = 0; i < 4; i++) low = mix(low ^ lanes[i]);
  for (int i = 4; i < LANES; i++) high = mix(high ^ lanes[i]);
  return (uint64_t)high << 32 | low;
}

/* FNV-1a. */
uint32_t sim_hash_name(const char *name) {
  uint32_t hash = 0x811C9DC5u;
  for (; *name != '\0'; name++) hash = (hash ^ (uint8_t)*name) * 0x01000193u;
  return hash;
}

/* The words that outputs are made of; cheap, since there are many. */
static uint32_t word_at(uint32_t key, uint32_t index) {
  uint32_t x = key + index * golden;
  x = (x ^ (x >> 15)) * prime;
  return x ^ (x >> 13);
}

static void fill_bytes(uint8_t *out, size_t bytes, uint32_t key) {
  const uint32_t words = (uint32_t)(bytes / 4);
  for (uint32_t i = 0; i < words; i++) {
    const uint32_t word = word_at(key, i);
    memcpy(out + i * 4, &word, 4);
  }
  const uint32_t last = word_at(key, words);
  memcpy(out + words * 4, &last, bytes % 4);
}

/* Floats from 0 to 1, as of a softmax. */
static void fill_unit(uint8_t *out, size_t bytes, uint32_t key) {
  for (size_t at = 0; at < bytes; at += 4) {
    const float value = (float)(word_at(key, (uint32_t)(at / 4)) >> 8) / 16777216.0f;
    memcpy(out + at, &value, 4);
  }
}

/* Boxes by class as HailoRT packs them: a count, then y_min, x_min, y_max, x_max, score of each, surest first. */
static void fill_boxes(uint8_t *out, const sim_edge *edge, uint32_t key) {
  memset(out, 0, edge->bytes);
  const uint32_t most = edge->max_boxes < 4 ? edge->max_boxes : 4;
  uint32_t index = 0;
  for (uint32_t class = 0; class < edge->classes; class++) {
    const uint32_t word = word_at(key, index++);
    const uint32_t count = word % 4 == 0 ? (word >> 8) % (most + 1) : 0;
    const float length = (float)count;
    memcpy(out, &length, 4);
    out += 4;
    for (uint32_t i = 0; i < count; i++, out += 20) {
      const uint32_t y = word_at(key, index++), x = word_at(key, index++);
      const uint32_t top = y % 768, left = x % 768;
      const uint32_t bottom = top + 64 + (y >> 16) % 192, right = left + 64 + (x >> 16) % 192;
      const uint32_t score = 512 + (word >> 16) % 512 - 48 * i;
      const float box[5] = {(float)top / 1024, (float)left / 1024, (float)bottom / 1024, (float)right / 1024,
                            (float)score / 1024};
      memcpy(out, box, 20);
    }
  }
}

/* The answer that was recorded for these very inputs, if there is one. */
static bool read_recorded(const sim_network *network, uint8_t *slot, uint64_t hash, const char *folder) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%016llx", folder, (unsigned long long)hash);
  FILE *file = fopen(path, "rbe");
  if (file == NULL) return false;
  bool is_whole = true;
  for (uint32_t i = 0; i < network->edge_count; i++) {
    const sim_edge *edge = &network->edges[i];
    if (edge->is_output) is_whole = is_whole && fread(slot + edge->offset, 1, edge->bytes, file) == edge->bytes;
  }
  is_whole = is_whole && fgetc(file) == EOF;
  fclose(file);
  if (!is_whole) fprintf(stderr, "%s: expected outputs of %zu bytes, found another size\n", path, network->out_bytes);
  return is_whole;
}

void outputs_fill(const sim_network *network, uint8_t *slot, uint32_t seed, const char *recordings) {
  uint64_t hash = 0;
  for (uint32_t i = 0; i < network->edge_count; i++) {
    const sim_edge *edge = &network->edges[i];
    if (!edge->is_output) hash = sim_hash(slot + edge->offset, edge->bytes, hash);
  }
  if (*recordings != '\0' && read_recorded(network, slot, hash, recordings)) return;
  for (uint32_t i = 0; i < network->edge_count; i++) {
    const sim_edge *edge = &network->edges[i];
    if (!edge->is_output) continue;
    const uint32_t key = mix((uint32_t)hash ^ mix((uint32_t)(hash >> 32) ^ mix(edge->name_hash ^ seed)));
    if (edge->fill == FILL_BYTES) fill_bytes(slot + edge->offset, edge->bytes, key);
    if (edge->fill == FILL_UNIT) fill_unit(slot + edge->offset, edge->bytes, key);
    if (edge->fill == FILL_BOXES) fill_boxes(slot + edge->offset, edge, key);
  }
}
