// A callback endpoint as it is usually written: 200 when Kafka has it. Nothing is verified, nothing is kept on disk.

import Fastify from 'fastify'
import { Kafka, logLevel } from 'kafkajs'

const { BOOTSTRAP_SERVERS, TOPIC, PORT } = process.env
const kafka = new Kafka({ brokers: BOOTSTRAP_SERVERS.split(','), logLevel: logLevel.ERROR })
const producer = kafka.producer({ idempotent: true, allowAutoTopicCreation: false })
const app = Fastify()

app.post('/callbacks/:source', async (request, reply) => {
  const messages = [{ key: request.body.stream_id, value: JSON.stringify(request.body) }]
  await producer.send({ topic: TOPIC, acks: -1, messages })
  return reply.type('application/json').send('{"code":0}')
})

await producer.connect()
await app.listen({ host: '127.0.0.1', port: Number(PORT) })
