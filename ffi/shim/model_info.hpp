// What pn_info says of a model, as JSON.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "frames.hpp"
#include "hailo/hailort.hpp"

namespace pellet {

inline std::string to_json(const std::string &text) {
  std::string json = "\"";
  for (const char c : text) {
    char escaped[8];
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      snprintf(escaped, sizeof escaped, "\\u%04x", c);
      json += escaped;
    } else {
      json += c;
    }
  }
  return json + "\"";
}

inline std::string to_json(float value) {
  char text[32];
  snprintf(text, sizeof text, "%.9g", std::isfinite(value) ? static_cast<double>(value) : 0.0);
  return text;
}

inline std::string to_json(const hailo_quant_info_t &quant) {
  return "[" + to_json(quant.qp_zp) + "," + to_json(quant.qp_scale) + "," + to_json(quant.limvals_min) + "," +
         to_json(quant.limvals_max) + "]";
}

inline std::string to_json(const hailort::InferModel::InferStream &stream, const Part &part) {
  const hailo_format_t format = stream.format();
  // Of boxes, "as on the device" is float32.
  const auto type = format.type == HAILO_FORMAT_TYPE_AUTO && stream.is_nms() ? HAILO_FORMAT_TYPE_FLOAT32 : format.type;
  const hailo_3d_image_shape_t shape = stream.shape();
  std::string json = "{\"name\":" + to_json(stream.name());
  const auto add = [&](const char *key, size_t value) { json += ",\"" + std::string(key) + "\":" + std::to_string(value); };
  add("offset", part.offset);
  add("bytes", part.bytes);
  add("h", shape.height);
  add("w", shape.width);
  add("c", shape.features);
  add("type", type);
  add("order", format.order);
  json += ",\"quant\":[";
  const char *comma = "";
  for (const hailo_quant_info_t &quant : stream.get_quant_infos()) {
    json += comma + to_json(quant);
    comma = ",";
  }
  json += "]";
  if (stream.is_nms()) {
    const auto nms = stream.get_nms_shape();
    if (nms) {
      json += ",\"nms\":[" + std::to_string(nms->number_of_classes) + "," + std::to_string(nms->max_bboxes_per_class) + "," +
              std::to_string(nms->max_bboxes_total) + "," + std::to_string(nms->max_accumulated_mask_size) + "]";
    }
  }
  return json + "}";
}

inline std::string to_json(const std::vector<hailort::InferModel::InferStream> &streams, const std::vector<Part> &parts) {
  std::string json = "[";
  for (size_t i = 0; i < streams.size(); i++) json += (i ? "," : "") + to_json(streams[i], parts[i]);
  return json + "]";
}

}  // namespace pellet
