/** The answer to a request that starts long work. */

import type { FastifyReply } from 'fastify';
import type { Job } from '../jobs/job.ts';
import type { ServeOptions } from '../options.ts';
import type { JobView } from '../schemas.ts';
import { jobView } from '../views.ts';

/** 202, and where to look how it goes. */
export function sendJob(reply: FastifyReply, { basePath }: ServeOptions, job: Job): { readonly job: JobView } {
  reply.code(202).header('location', `${basePath}/api/v1/jobs/${job.id}`);
  return { job: jobView(job) };
}
