/*
 * A Vulkan layer that writes what the driver tells of a compute pipeline: its statistics to $GPU_STATS_OUT.stats, a line each
 * (name, tab, value), and its instructions to $GPU_STATS_OUT.isa where the driver shows them. The program sets the variable
 * before it makes a pipeline, and makes one at a time, in one instance and on one device.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

static const char extension[] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;

static VkInstance instance;
static PFN_vkGetInstanceProcAddr next_instance;
static PFN_vkGetDeviceProcAddr next_device;

#define OF_DEVICE(device, name) ((PFN_vk##name)next_device(device, "vk" #name))

/* The links of the loader's chain lie among the extensions of both create infos. */
#define LINK(type, structure, info)                                                              \
  type *link = (type *)(info)->pNext;                                                            \
  while (link && !(link->sType == (structure) && link->function == VK_LAYER_LINK_INFO))          \
    link = (type *)link->pNext;                                                                  \
  if (!link) return VK_ERROR_INITIALIZATION_FAILED

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator,
                                                      VkInstance *made) {
  LINK(VkLayerInstanceCreateInfo, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO, info);
  next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  VkResult result = ((PFN_vkCreateInstance)next_instance(NULL, "vkCreateInstance"))(info, allocator, made);
  if (result == VK_SUCCESS) instance = *made;
  return result;
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                                    const VkAllocationCallbacks *allocator, VkDevice *made) {
  LINK(VkLayerDeviceCreateInfo, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO, info);
  next_instance = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
  next_device = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
  link->u.pLayerInfo = link->u.pLayerInfo->pNext;
  PFN_vkCreateDevice create = (PFN_vkCreateDevice)next_instance(instance, "vkCreateDevice");

  uint32_t count = info->enabledExtensionCount;
  const char **names = calloc(count + 1, sizeof *names);
  if (!names) return VK_ERROR_OUT_OF_HOST_MEMORY;
  for (uint32_t i = 0; i < count; i++) names[i] = info->ppEnabledExtensionNames[i];
  names[count] = extension;
  VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR features = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR,
      .pNext = (void *)info->pNext,
      .pipelineExecutableInfo = VK_TRUE,
  };
  VkDeviceCreateInfo more = *info;
  more.pNext = &features;
  more.enabledExtensionCount = count + 1;
  more.ppEnabledExtensionNames = names;
  VkResult result = create(physical, &more, allocator, made);
  free(names);
  return result;
}

static void write_value(FILE *file, const VkPipelineExecutableStatisticKHR *statistic) {
  fprintf(file, "%s\t", statistic->name);
  switch (statistic->format) {
  case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: fprintf(file, "%u\n", statistic->value.b32); break;
  case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: fprintf(file, "%lld\n", (long long)statistic->value.i64); break;
  case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:
    fprintf(file, "%llu\n", (unsigned long long)statistic->value.u64);
    break;
  default: fprintf(file, "%g\n", statistic->value.f64);
  }
}

static FILE *open_output(const char *suffix) {
  const char *out = getenv("GPU_STATS_OUT");
  char path[4096];
  if (!out || (size_t)snprintf(path, sizeof path, "%s.%s", out, suffix) >= sizeof path) return NULL;
  return fopen(path, "w");
}

static void write_statistics(VkDevice device, const VkPipelineExecutableInfoKHR *executable) {
  FILE *file = open_output("stats");
  if (!file) return;
  uint32_t count = 0;
  OF_DEVICE(device, GetPipelineExecutableStatisticsKHR)(device, executable, &count, NULL);
  VkPipelineExecutableStatisticKHR *statistics = calloc(count, sizeof *statistics);
  if (statistics) {
    for (uint32_t i = 0; i < count; i++) statistics[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR;
    OF_DEVICE(device, GetPipelineExecutableStatisticsKHR)(device, executable, &count, statistics);
    for (uint32_t i = 0; i < count; i++) write_value(file, &statistics[i]);
  }
  free(statistics);
  fclose(file);
}

/* Drivers show their stages as well; the last is what the GPU would run: "Assembly", "NAK assembly". */
static void write_instructions(VkDevice device, const VkPipelineExecutableInfoKHR *executable) {
  PFN_vkGetPipelineExecutableInternalRepresentationsKHR get = OF_DEVICE(device, GetPipelineExecutableInternalRepresentationsKHR);
  uint32_t count = 0;
  get(device, executable, &count, NULL);
  VkPipelineExecutableInternalRepresentationKHR *shown = calloc(count, sizeof *shown);
  if (!shown) return;
  for (uint32_t i = 0; i < count; i++) shown[i].sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR;
  get(device, executable, &count, shown);
  for (uint32_t i = 0; i < count; i++) shown[i].pData = calloc(1, shown[i].dataSize + 1);
  get(device, executable, &count, shown);
  for (uint32_t i = 0; i < count; i++) {
    FILE *file = shown[i].pData && strstr(shown[i].name, "ssembly") ? open_output("isa") : NULL;
    if (file) {
      fputs(shown[i].pData, file);
      fclose(file);
    }
    free(shown[i].pData);
  }
  free(shown);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                                       const VkComputePipelineCreateInfo *infos,
                                                       const VkAllocationCallbacks *allocator, VkPipeline *made) {
  (void)cache; /* What comes out of a cache has no statistics. */
  VkComputePipelineCreateInfo *asking = calloc(count, sizeof *asking);
  if (!asking) return VK_ERROR_OUT_OF_HOST_MEMORY;
  for (uint32_t i = 0; i < count; i++) {
    asking[i] = infos[i];
    asking[i].flags |=
        VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR | VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
  }
  VkResult result = OF_DEVICE(device, CreateComputePipelines)(device, VK_NULL_HANDLE, count, asking, allocator, made);
  free(asking);
  if (result != VK_SUCCESS) return result;
  for (uint32_t i = 0; i < count; i++) {
    VkPipelineExecutableInfoKHR executable = {.sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = made[i]};
    write_statistics(device, &executable);
    write_instructions(device, &executable);
  }
  return result;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL of_device(VkDevice device, const char *name) {
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)of_device;
  if (!strcmp(name, "vkCreateComputePipelines")) return (PFN_vkVoidFunction)create_pipelines;
  return next_device(device, name);
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL of_instance(VkInstance of, const char *name) {
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (PFN_vkVoidFunction)of_instance;
  if (!strcmp(name, "vkGetDeviceProcAddr")) return (PFN_vkVoidFunction)of_device;
  if (!strcmp(name, "vkCreateInstance")) return (PFN_vkVoidFunction)create_instance;
  if (!strcmp(name, "vkCreateDevice")) return (PFN_vkVoidFunction)create_device;
  if (!strcmp(name, "vkCreateComputePipelines")) return (PFN_vkVoidFunction)create_pipelines;
  return next_instance ? next_instance(of, name) : NULL;
}

VKAPI_ATTR VkResult VKAPI_CALL negotiate(VkNegotiateLayerInterface *answer) {
  answer->loaderLayerInterfaceVersion = 2;
  answer->pfnGetInstanceProcAddr = of_instance;
  answer->pfnGetDeviceProcAddr = of_device;
  answer->pfnGetPhysicalDeviceProcAddr = NULL;
  return VK_SUCCESS;
}
