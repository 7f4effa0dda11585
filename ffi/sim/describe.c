/*
 * What a HEF has in it. Reading one is TypeScript's business (describe.ts), which tells it in lines of text:
 *
 *   refuse STATUS MESSAGE            of a file that HailoRT would not take; or for each network:
 *   network NAME
 *   alias NAME                       another name for it
 *   in OFFSET BYTES NAME
 *   out OFFSET BYTES FILL NAME       FILL: bytes, unit, boxes:CLASSES:MAX
 *   slot BYTES
 *   info JSON
 */
#define _GNU_SOURCE
#include "simulated_npu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct description {
  struct description *next;
  uint64_t hef_hash;
  char *text;
} description;

static description *descriptions;

static description *find(uint64_t hef_hash) {
  for (description *known = descriptions; known != NULL; known = known->next)
    if (known->hef_hash == hef_hash) return known;
  return NULL;
}

/* To be called before a HEF is loaded. */
PN_API uint32_t ps_describe(const void *hef, size_t hef_bytes, const char *text) {
  const uint64_t hef_hash = sim_hash(hef, hef_bytes, 0);
  sim_enter();
  description *known = find(hef_hash);
  if (known == NULL && (known = calloc(1, sizeof *known)) != NULL) {
    known->hef_hash = hef_hash;
    known->next = descriptions;
    descriptions = known;
  }
  uint32_t status = HAILO_OUT_OF_HOST_MEMORY;
  if (known != NULL) {
    free(known->text);
    known->text = strdup(text);
    if (known->text != NULL) status = HAILO_SUCCESS;
  }
  sim_leave();
  return status;
}

static bool parse_fill(const char *fill, sim_edge *edge) {
  if (strcmp(fill, "bytes") == 0)
    edge->fill = FILL_BYTES;
  else if (strcmp(fill, "unit") == 0)
    edge->fill = FILL_UNIT;
  else if (sscanf(fill, "boxes:%u:%u", &edge->classes, &edge->max_boxes) == 2)
    edge->fill = FILL_BOXES;
  else
    return false;
  return true;
}

static bool parse_edge(const char *line, sim_network *network) {
  sim_edge edge = {.is_output = line[0] == 'o'};
  char fill[64] = "bytes";
  int name_at = 0;
  const bool is_read = edge.is_output
                           ? sscanf(line, "out %zu %zu %63s %n", &edge.offset, &edge.bytes, fill, &name_at) == 3
                           : sscanf(line, "in %zu %zu %n", &edge.offset, &edge.bytes, &name_at) == 2;
  if (!is_read || name_at == 0 || !parse_fill(fill, &edge) || network->edge_count == MOST_EDGES) return false;
  edge.name_hash = sim_hash_name(line + name_at);
  *(edge.is_output ? &network->out_bytes : &network->in_bytes) += edge.bytes;
  network->edges[network->edge_count++] = edge;
  return true;
}

static bool starts(const char *line, const char *word) { return strncmp(line, word, strlen(word)) == 0; }

/* A line of the network that is wanted. */
static bool parse_line(const char *line, sim_network *network) {
  if (starts(line, "in ") || starts(line, "out ")) return parse_edge(line, network);
  if (starts(line, "slot ")) network->slot_bytes = strtoull(line + 5, NULL, 10);
  if (starts(line, "info ")) return (network->info = strdup(line + 5)) != NULL;
  return true;
}

uint32_t describe_find(uint64_t hef_hash, const char *name, sim_network *network, char *err, size_t cap) {
  const description *known = find(hef_hash);
  if (known == NULL)
    return sim_fail(err, cap, HAILO_HEF_NOT_SUPPORTED, "the HEF was not described: call ps_describe first");
  char *text = strdup(known->text), *rest = text;
  if (text == NULL) return sim_fail(err, cap, HAILO_OUT_OF_HOST_MEMORY, "no memory to read the HEF");
  uint32_t status = HAILO_NOT_FOUND, networks = 0, name_hash = 0;
  bool is_wanted = false, is_well = true;
  for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
    int message_at = 0;
    if (sscanf(line, "refuse %u %n", &status, &message_at) == 1) {
      sim_fail(err, cap, status, "%s", line + message_at);
      free(text);
      return status;
    }
    if (starts(line, "network ")) {
      name_hash = sim_hash_name(line + 8);
      is_wanted = *name == '\0' ? networks == 0 : strcmp(line + 8, name) == 0;
      networks++;
    }
    if (starts(line, "alias ") && strcmp(line + 6, name) == 0) is_wanted = true;
    if (is_wanted) network->name_hash = name_hash;
    if (is_wanted) is_well = is_well && parse_line(line, network);
  }
  free(text);
  if (network->info == NULL || (*name == '\0' && networks > 1))
    return sim_fail(err, cap, HAILO_NOT_FOUND, "the HEF has %u networks, and none named '%s'", networks, name);
  return is_well ? HAILO_SUCCESS
                 : sim_fail(err, cap, HAILO_HEF_NOT_SUPPORTED, "the HEF has more than the simulation can");
}
