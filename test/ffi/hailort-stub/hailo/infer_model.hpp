#include "hailort.hpp"
