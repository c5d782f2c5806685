import 'reflect-metadata';
import { Controller, HttpCode, Module, Post, Req, UnauthorizedException } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import express from 'express';
import { maxBody, verifier } from './webhook.mjs';

const verify = verifier(process.env.WEBHOOK_SECRET);

@Controller('webhooks')
class WebhooksController {
  @Post()
  @HttpCode(204)
  async receive(@Req() request: express.Request) {
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    if (!await verify((name: string) => request.get(name), body)) throw new UnauthorizedException();
    const event = JSON.parse(body.toString());
    console.log('received', event.type, event.id);
    // Put it into a queue, unless its id is there already; work on it afterwards.
  }
}

@Module({ controllers: [WebhooksController] })
class AppModule {}

const app = await NestFactory.create(AppModule);
// Before Nest's own parsers, which would leave the bytes behind. Other paths keep those.
app.use('/webhooks', express.raw({ type: () => true, limit: maxBody })); // 413 beyond.
await app.listen(process.env.PORT ?? 8080, '127.0.0.1');
console.log(`listening on 127.0.0.1:${app.getHttpServer().address().port}`);
