import { expect, test } from '@jest/globals';
import pg from 'pg';
import { migrate } from './migrate.ts';
import { roleOf, roleUrl, setRolePasswords } from './roles.ts';
import { withEmptyDatabase } from './scratch.ts';

// A managed server, on which the shop has a database and only the rights that it needs.
test('a database owner that may create roles can install the shop; otherwise the error names that right', async () => {
  const ownServer = '';
  await withEmptyDatabase(async (superuser, url) => {
    const { database } = superuser;
    await superuser.query(`create role installer login password 'installer'`);
    await superuser.query(`alter database ${database} owner to installer`);
    const owner = new URL(url);
    [owner.username, owner.password] = ['installer', 'installer'];

    await expect(migrate(owner.href)).rejects.toThrow(
      'The user of DATABASE_URL must own the database and have the right to create roles (createrole): permission denied',
    );
    await superuser.query('alter role installer createrole');
    for (let time = 1; time <= 2; time += 1) {
      await migrate(owner.href);
      await setRolePasswords(owner.href, 'key');
    }

    const reader = new pg.Client({ connectionString: roleUrl(owner.href, 'key', roleOf('storefront')) });
    await reader.connect();
    expect((await reader.query('select sku from ordering.products')).rowCount).toBe(4);
    await expect(reader.query('update ordering.products set price = 1')).rejects.toThrow('permission denied');
    await reader.end();
  }, ownServer);
}, 60_000);
