import { z } from 'zod';
import { email } from '#platform/values/email.ts';
import { password, personName, typedPassword } from '#platform/values/text.ts';
import { uuid } from '#platform/values/uuid.ts';
import { defineRoutes, named } from './route.ts';

export const newUser = named('NewUser', z.object({ email, password, name: personName }));

export const user = named(
  'User',
  z.object({ id: uuid, email: z.string(), name: z.string(), createdAt: z.iso.datetime() }),
);

export const credentials = named('Credentials', z.object({ email, password: typedPassword }));

export const session = named(
  'Session',
  z.object({
    token: z.string().meta({ description: 'Send it as `Authorization: Bearer …`.' }),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().positive().meta({ description: 'Seconds.' }),
  }),
);

export const userRoutes = defineRoutes({
  registerUser: {
    method: 'post',
    path: '/v1/users',
    summary: 'Register',
    description: 'The billing account of the customer opens soon after.',
    access: 'public',
    function: 'register-user',
    body: newUser,
    example: { email: 'ann@example.com', password: 'correct horse', name: 'Ann' },
    responses: { 201: { description: 'The new customer.', body: user } },
    problems: ['email_taken'],
  },
  logIn: {
    method: 'post',
    path: '/v1/sessions',
    summary: 'Log in',
    description: 'An unknown e-mail and a wrong password get the same response.',
    access: 'public',
    function: 'log-in',
    body: credentials,
    example: { email: 'ann@example.com', password: 'correct horse' },
    responses: { 201: { description: 'A token for the next 15 minutes.', body: session } },
    problems: ['invalid_credentials'],
  },
  getUser: {
    method: 'get',
    path: '/v1/users/me',
    summary: 'My user',
    access: 'customer',
    responses: { 200: { description: 'The caller.', body: user } },
    problems: ['not_found'],
  },
});
